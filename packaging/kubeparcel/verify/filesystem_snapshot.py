"""Snapshots of all files on a host, with modes, owners, sizes and times, and their differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubeparcel.hosts.container import Container
from kubeparcel.reports.results import Finding
from kubeparcel.templates import render

IGNORED = (
    *("/dev", "/run", "/sys", "/tmp", "/packages", "/var/lib/kubeparcel"),  # noqa: S108 - in a host
    *("/var/lib/dpkg", "/var/lib/apt", "/var/cache/apt", "/var/cache/debconf", "/var/log/apt"),
    *("/var/lib/rpm", "/root/.rpmdb", "/usr/lib/sysimage", "/var/lib/dnf", "/var/cache/dnf"),
    *("/var/cache/libdnf5", "/usr/lib/.build-id", "/var/lib/zypp", "/var/cache/zypp"),
    *("/var/log/dpkg.log", "/var/log/alternatives.log", "/var/log/zypp", "/var/log/zypper.log"),
    *("/var/log/dnf*", "/var/log/hawkey.log*", "/root/.cache", "/root/.zypp*"),
    *("/etc/dnf/modules.d", "/etc/ld.so.cache", "/var/cache/ldconfig", "/etc/zypp"),
    *("/root/.local", "/var/cache/zypper", "/etc/apt/sources.list", "/etc/.pwd.lock"),
    *("/etc/mtab", "/var/lib/systemd/catalog"),
)
"""The package managers' databases, caches and logs, and paths that are not the host's own."""

UNOWNED = ("/opt",)
"""Folders that no package of a distribution owns: the last package with files there removes them.

Debian's base-files creates /opt when it is installed, without owning it.
"""

ABSENT = "does not exist"


def take_snapshot(container: Container) -> Mapping[str, str]:
    """Return a description of what is at each path; equal descriptions mean no change."""
    lines = container.run_script(render("hosts/tree.sh", {"ignored": IGNORED}), timeout=60).stdout.splitlines()
    entries = (line.partition("\t") for line in lines)
    return {path: description for path, _, description in entries}


def compare_snapshots(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each path that has changed."""
    for path in sorted({*before, *after}.difference(UNOWNED)):
        expected, found = before.get(path, ABSENT), after.get(path, ABSENT)
        if expected != found:
            yield Finding(expected, found, path)
