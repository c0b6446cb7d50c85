"""All that is on a host, before and after: paths with their modes, owners, sizes and times."""

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
    *(
        "/var/log/dnf*",
        "/var/log/hawkey.log*",
        "/root/.cache",
        "/root/.zypp*",
        "/etc/dnf/modules.d",
    ),
    *("/etc/ld.so.cache", "/var/cache/ldconfig", "/etc/zypp", "/root/.local", "/var/cache/zypper"),
    *("/etc/apt/sources.list", "/etc/.pwd.lock", "/etc/mtab", "/var/lib/systemd/catalog"),
)
"""The package managers' own books, caches and logs, and what is no part of a host."""

UNOWNED = ("/opt",)
"""Folders that no package of a distribution owns: the last one that had files there takes it along.

Debian's base-files makes /opt when it is installed, without owning it.
"""


def take_snapshot(box: Container) -> Mapping[str, str]:
    """What is at each path, in words that are equal when it is."""
    text = render("hosts/tree.sh", {"ignored": IGNORED})
    lines = box.run_script(text, timeout=60).stdout.splitlines()
    rows = (line.partition("\t") for line in lines)
    return {path: said for path, _, said in rows}


def compare_snapshots(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Finding]:
    """A finding for each path that is not as it was."""
    for path in sorted({*before, *after}.difference(UNOWNED)):
        was, now = before.get(path, "nothing there"), after.get(path, "nothing there")
        if was != now:
            yield Finding(was, now, path)
