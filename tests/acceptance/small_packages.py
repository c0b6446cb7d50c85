"""The five packages in miniature, built by the real planner and nfpm, with scripts for programs.

They install quickly and print their version like the real ones, so that many faults can be tested
on a host.
"""

from __future__ import annotations

from pathlib import Path

from kubeparcel.model import Format
from tests.support.sample_packages import Mutation, PackageDraft, SamplePackages, sample_packages

PLUGINS = "/opt/cni/bin/"


ETCD = """\
#!/usr/bin/perl
use Socket;
if (@ARGV) { print "etcd Version: 3.6.8\\n"; exit }
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0);
send($socket, "READY=1", 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET}));
sleep while 1;
"""
ETCDCTL = """\
#!/bin/sh
case "$1" in
    completion) echo '__start_etcdctl() { :; }; complete -F __start_etcdctl etcdctl' ;;
    endpoint) systemctl --quiet is-active etcd ;;
    put) echo "$3" >"/var/lib/etcd/$2" ;;
    get) cat "/var/lib/etcd/$2" ;;
    *) echo etcdctl version: 3.6.8 ;;
esac
"""
SERVICES = {"etcd": ETCD, "etcdctl": ETCDCTL}
"""A service that reports that it has started, and its client."""


def program(name: str, version: str) -> str:
    """Return a script that prints its version, or completions that name a function."""
    return (
        "#!/bin/sh\n"
        'if [ "$1" = completion ]; then\n'
        f"    echo '__start_{name}() {{ :; }}; complete -F __start_{name} {name}'\n"
        "else\n"
        f"    echo {name} v{version}\n"
        "fi\n"
    )


def make_programs_runnable(draft: PackageDraft) -> None:
    """Replace the binaries by scripts that run on any host."""
    for row in draft.config["contents"]:
        path = row["dst"]
        if path.startswith(("/usr/bin/", PLUGINS)) and row.get("type") != "dir":
            name = path.rpartition("/")[2]
            draft.replace_content(path, SERVICES.get(name) or program(name, draft.config["version"]))


def small_samples(folder: Path, revision: str = "2", packages: str = "", kubernetes: str = "1.36.3") -> SamplePackages:
    """Return the small packages; `packages` are optional ones to add."""
    return sample_packages(folder, kubernetes, revision=revision, packages=packages)


def write_set(
    samples: SamplePackages, format_: Format, folder: Path, broken: str = "", mutate: Mutation | None = None
) -> Path:
    """Write all five packages, one of them broken, and return their folder."""
    for package in samples.manifests.values():
        if package.format is format_:

            def change(draft: PackageDraft, name: str = package.name) -> None:
                make_programs_runnable(draft)
                if mutate and name == broken:
                    mutate(draft)

            samples.write(package, change, folder / "work" / package.name)
    (folder / "set").mkdir()
    for file in (folder / "work").glob(f"*/*.{format_}"):
        file.rename(folder / "set" / file.name)
    return folder / "set"
