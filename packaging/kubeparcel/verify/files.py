"""Checks of the paths in a package: which, what they are, whose, and what may be done to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from ..contents import Entry, Kind
from .report import Finding
from .subject import Rule, Subject, exact, gather, known

_KINDS = {"file": Kind.FILE, "dir": Kind.DIR, "link": Kind.SYMLINK}

HOSTS_OWN = frozenset(
    f"{root}{name}".rstrip("/")
    for root, names in {
        "/": "",
        "/etc/": ", default, sysconfig, systemd, systemd/system",
        "/lib/": ", systemd, systemd/system",
        "/opt/": "",
        "/usr/": ", bin, lib, lib/systemd, lib/systemd/system, local, local/bin, sbin, share",
        "/usr/share/bash-completion/": ", completions",
        "/usr/share/doc/": ", packages",
        "/usr/share/fish/": ", vendor_completions.d",
        "/usr/share/licenses/": "",
        "/usr/share/man/": ", man1, man8",
        "/usr/share/zsh/": ", site-functions, vendor-completions",
        "/var/": ", lib",
    }.items()
    for name in names.split(", ")
) | {"/"}
"""Directories that the distribution's own packages hold, or that every package may assume."""


def files_present(subject: Subject) -> Iterator[Finding]:
    """What should be there and is not."""
    expected = subject.expected
    if expected is None:
        return
    missing = [path for path in expected.files if path not in subject.paths]
    missing += [
        f"{folder}/…"
        for folder in expected.folders
        if not any(_inside(entry, folder) for entry in subject.binaries)
    ]
    yield from gather(("the path is in the package", "it is missing", path) for path in missing)


def no_stray_files(subject: Subject) -> Iterator[Finding]:
    """What is there and should not be."""
    expected = subject.expected
    if expected is None:
        return
    parents = expected.parents() | {
        str(parent) for folder in expected.folders for parent in PurePosixPath(folder).parents
    }
    strays = (
        entry.path
        for entry in subject.contents.entries
        if entry.path not in expected.files
        and not (entry.elf and any(_inside(entry, folder) for folder in expected.folders))
        and not entry.path.startswith(expected.free)
        and not (subject.deb and entry.kind is Kind.DIR and entry.path in parents)
        and not any(f"{entry.path}/" == free for free in expected.free)
    )
    yield from gather(
        ("only files of the package", "a path that has no place here", path) for path in strays
    )


def _inside(entry: Entry, folder: str) -> bool:
    return str(PurePosixPath(entry.path).parent) == folder


def kinds(subject: Subject) -> Iterator[Finding]:
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
    yield from gather(row for row in rows if row[0] != row[1])


def modes(subject: Subject) -> Iterator[Finding]:
    """Permissions as the catalog has them; elsewhere writable by the owner only."""
    yield from gather(_mode_rows(subject), "Set the mode (packages.NAME.files[].mode).")


def _mode_rows(subject: Subject) -> Iterator[tuple[str, str, str]]:
    expected = subject.expected.files if subject.expected else {}
    for entry in subject.contents.entries:
        found = entry.mode & 0o777
        row = expected.get(entry.path)
        if entry.kind is Kind.SYMLINK:
            continue
        if row is not None:
            wanted = [row.mode]
        elif entry.kind is Kind.DIR:
            wanted = [0o755]
        else:
            wanted = [0o755] if entry.elf else [0o644, 0o755]
        if found not in wanted:
            yield " or ".join(f"{mode:04o}" for mode in wanted), f"{found:04o}", entry.path


def owners(subject: Subject) -> Iterator[Finding]:
    """All belongs to root, by name or number."""
    rows = (
        ("root:root", f"{entry.owner}:{entry.group}", entry.path)
        for entry in subject.contents.entries
        if entry.owner not in ("root", "0") or entry.group not in ("root", "0")
    )
    yield from gather(rows)


def no_privileges(subject: Subject) -> Iterator[Finding]:
    """No setuid, setgid, sticky bit, no file capabilities."""
    for entry in subject.contents.entries:
        if entry.mode & 0o7000:
            yield Finding("no setuid, setgid or sticky bit", f"{entry.mode:04o}", entry.path)
        if entry.capabilities:
            yield Finding("no capabilities", entry.capabilities, entry.path)


def not_world_writable(subject: Subject) -> Iterator[Finding]:
    """Nothing that everyone may write."""
    rows = (
        ("not writable by everyone", f"{entry.mode & 0o777:04o}", entry.path)
        for entry in subject.contents.entries
        if entry.mode & 0o002 and entry.kind is not Kind.SYMLINK
    )
    yield from gather(rows)


def config_files(subject: Subject) -> Iterator[Finding]:
    """An administrator's edits survive in /etc; elsewhere an upgrade always brings its own."""
    keeps = "a conffile" if subject.deb else "%config(noreplace)"
    for entry in subject.files:
        if entry.path.startswith("/etc/"):
            if not entry.config:
                yield Finding(keeps, "an upgrade overwrites it", entry.path)
            elif not subject.deb and "noreplace" not in entry.flags:
                yield Finding(keeps, "%config without noreplace", entry.path)
        elif entry.config:
            yield Finding("no configuration file outside /etc", "marked as one", entry.path)
    for entry in subject.contents.entries:
        if entry.config and entry.kind is not Kind.FILE:
            yield Finding("only files are configuration files", entry.kind.value, entry.path)


def owned_directories(subject: Subject) -> Iterator[Finding]:
    """Directories that no distribution has are the package's, so that removal removes them."""
    rows = (
        ("the package holds the directory", "it does not", str(parent))
        for entry in subject.files
        for parent in PurePosixPath(entry.path).parents
        if str(parent) not in HOSTS_OWN and str(parent) not in subject.paths
    )
    yield from gather(dict.fromkeys(rows))


def one_owner_per_path(subject: Subject) -> Iterator[Finding]:
    """No other package of the set has a file of ours: dpkg and rpm would refuse the second."""
    name = subject.contents.name
    for entry in subject.contents.entries:
        others = subject.owners.get(entry.path, frozenset()) - {name}
        if others and entry.kind is not Kind.DIR:
            also = f"also in {', '.join(sorted(others))}"
            yield Finding("one package holds the path", also, entry.path)


def digests(subject: Subject, *, elf: bool) -> Iterator[Finding]:
    """The bytes are those that were put in."""
    expected = subject.expected.files if subject.expected else {}
    for entry in subject.files:
        row = expected.get(entry.path)
        if row and row.sha256 and bool(entry.elf) is elf and row.sha256 != entry.sha256:
            yield Finding(f"sha256 {row.sha256}", f"sha256 {entry.sha256}", entry.path)


def times(subject: Subject) -> Iterator[Finding]:
    """Nothing is newer than the release, or than the package itself."""
    limit = (subject.expected.time if subject.expected else 0) or subject.contents.built
    rows = (
        (f"at most {_date(limit)}", _date(entry.mtime), entry.path)
        for entry in subject.contents.entries
        if entry.mtime > limit
    )
    yield from gather(rows)
    if exact(subject) and subject.contents.built != limit:
        yield Finding(f"built {_date(limit)}", _date(subject.contents.built), "the package itself")


def _date(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


RULES = (
    Rule(
        "files-present", 1, "every file and directory of the package is there", files_present, known
    ),
    Rule(
        "no-stray-files",
        6,
        "nothing else is there",
        no_stray_files,
        known,
        "If it belongs there, add it to packages.NAME.files in kubeparcel.yaml.",
    ),
    Rule(
        "kinds",
        1,
        "files are files, directories are directories, links lead where they should",
        kinds,
    ),
    Rule("modes", 2, "permissions are exactly right", modes),
    Rule("owner-root", 3, "everything belongs to root:root", owners),
    Rule("no-privileges", 4, "no setuid, setgid, sticky bits or capabilities", no_privileges),
    Rule("not-world-writable", 5, "nothing is writable by everyone", not_world_writable),
    Rule(
        "config-files",
        7,
        "exactly the files in /etc keep an administrator's edits",
        config_files,
        lambda subject: any(e.config or e.path.startswith("/etc/") for e in subject.files),
    ),
    Rule("owned-directories", 0, "the package holds the directories it brings", owned_directories),
    Rule(
        "one-owner-per-path",
        52,
        "no two packages hold the same path",
        one_owner_per_path,
        lambda subject: len(frozenset().union(*subject.owners.values())) > 1,
    ),
    Rule(
        "binary-digests",
        11,
        "each binary is, byte for byte, the one that was got",
        lambda subject: digests(subject, elf=True),
        lambda subject: exact(subject) and bool(subject.binaries),
    ),
    Rule(
        "file-contents",
        11,
        "each other file is, byte for byte, the one that was rendered",
        lambda subject: digests(subject, elf=False),
        exact,
    ),
    Rule(
        "times",
        21,
        "nothing is newer than the release",
        times,
        lambda subject: bool(subject.contents.built or exact(subject)),
    ),
)
