"""Checks of the paths in a package: which are there, what they are, and whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from kubeparcel.packages.reader import Entry, Kind
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import (
    CheckContext,
    CheckDefinition,
    group_findings,
    in_catalog,
)

_KINDS = {"file": Kind.FILE, "dir": Kind.DIR, "link": Kind.SYMLINK}

_HOST: Mapping[str, str] = {
    "/": "",
    "/etc/": "cron.d, default, logrotate.d, modules-load.d, profile.d, sysconfig, sysctl.d",
    "/etc/systemd/": "system, system-preset",
    "/lib/": "",
    "/lib/systemd/": "system, system-preset",
    "/opt/": "",
    "/usr/": "bin, libexec, sbin",
    "/usr/lib/": "modules-load.d, sysctl.d, sysusers.d, tmpfiles.d, udev, udev/rules.d",
    "/usr/lib/systemd/": "system, system-preset",
    "/usr/local/": "bin, etc, lib, sbin, share",
    "/usr/share/": "",
    "/usr/share/bash-completion/": "completions",
    "/usr/share/doc/": "packages",
    "/usr/share/fish/": "vendor_completions.d",
    "/usr/share/licenses/": "",
    "/usr/share/man/": "man1, man5, man7, man8",
    "/usr/share/zsh/": "site-functions, vendor-completions",
    "/var/": "cache, lib, log",
}

HOSTS_OWN = frozenset(
    {"/"}
    | {root.rstrip("/") for root in _HOST}
    | {root + name for root, names in _HOST.items() for name in names.split(", ")}
)
"""Directories that the distribution's own packages hold, or that every package may assume."""


def files_present(subject: CheckContext) -> Iterator[Finding]:
    """What should be there and is not."""
    expected = subject.expected
    if expected is None:
        return
    missing = [path for path in expected.files if path not in subject.entries_by_path]
    missing += [
        f"{folder}/…"
        for folder in expected.binary_folders
        if not any(_inside(entry, folder) for entry in subject.binaries)
    ]
    yield from group_findings(
        ("the path is in the package", "it is missing", path) for path in missing
    )


def no_stray_files(subject: CheckContext) -> Iterator[Finding]:
    """What is there and should not be."""
    expected = subject.expected
    if expected is None:
        return
    parents = expected.parent_folders() | {
        str(parent)
        for folder in expected.binary_folders
        for parent in PurePosixPath(folder).parents
    }
    strays = (
        entry.path
        for entry in subject.contents.entries
        if entry.path not in expected.files
        and not (entry.elf and any(_inside(entry, folder) for folder in expected.binary_folders))
        and not entry.path.startswith(expected.unchecked_folders)
        and not (subject.is_deb and entry.kind is Kind.DIR and entry.path in parents)
        and not any(free.startswith(f"{entry.path}/") for free in expected.unchecked_folders)
    )
    yield from group_findings(
        ("only files of the package", "a path that has no place here", path) for path in strays
    )


def _inside(entry: Entry, folder: str) -> bool:
    return str(PurePosixPath(entry.path).parent) == folder


def kinds(subject: CheckContext) -> Iterator[Finding]:
    """Files are files, directories are directories, links lead where they should."""
    expected = subject.expected.files if subject.expected else {}
    rows = []
    for entry in subject.contents.entries:
        row = expected.get(entry.path)
        if row is not None:
            want, found = _KINDS[row.kind].value, entry.kind.value
            if row.link:
                want, found = f"{want} to {row.link}", f"{found} to {entry.target}"
            rows.append((want, found, entry.path))
        elif entry.kind not in (Kind.FILE, Kind.DIR, Kind.SYMLINK, Kind.HARDLINK):
            rows.append(("file, dir or symlink", entry.kind.value, entry.path))
    yield from group_findings(row for row in rows if row[0] != row[1])


def owned_directories(subject: CheckContext) -> Iterator[Finding]:
    """Directories that no distribution has are the package's, so that removal removes them."""
    rows = (
        ("the package holds the directory", "it does not", str(parent))
        for entry in subject.files
        if not (subject.expected and entry.path.startswith(subject.expected.unchecked_folders))
        for parent in PurePosixPath(entry.path).parents
        if str(parent) not in HOSTS_OWN and str(parent) not in subject.entries_by_path
    )
    yield from group_findings(dict.fromkeys(rows))


def one_owner_per_path(subject: CheckContext) -> Iterator[Finding]:
    """No other package of the set has a file of ours: dpkg and rpm would refuse the second."""
    name = subject.contents.name
    for entry in subject.contents.entries:
        others = subject.path_owners.get(entry.path, frozenset()) - {name}
        if others and entry.kind is not Kind.DIR:
            also = f"also in {', '.join(sorted(others))}"
            yield Finding("one package holds the path", also, entry.path)


RULES = (
    CheckDefinition(
        "files-present",
        1,
        "every file and directory of the package is there",
        files_present,
        in_catalog,
    ),
    CheckDefinition(
        "no-stray-files",
        6,
        "nothing else is there",
        no_stray_files,
        in_catalog,
        "If it belongs there, add it in kubeparcel.yaml: packages.NAME.files",
    ),
    CheckDefinition(
        "kinds",
        1,
        "files are files, directories are directories, links lead where they should",
        kinds,
    ),
    CheckDefinition(
        "owned-directories",
        0,
        "the package holds the directories it brings",
        owned_directories,
        todo="Add them in kubeparcel.yaml: packages.NAME.files: - {path: …, dir: true}",
    ),
    CheckDefinition(
        "one-owner-per-path",
        52,
        "no two packages hold the same path",
        one_owner_per_path,
        lambda subject: len(frozenset().union(*subject.path_owners.values())) > 1,
    ),
)
