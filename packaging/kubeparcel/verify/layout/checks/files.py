"""Checks of what is at each path: permissions, owners, configuration, bytes, times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from kubeparcel.packages.reader import Kind
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import (
    CheckContext,
    CheckDefinition,
    exact,
    group_findings,
)


def modes(subject: CheckContext) -> Iterator[Finding]:
    """Permissions as the catalog has them; elsewhere writable by the owner only."""
    yield from group_findings(_mode_rows(subject))


def _mode_rows(subject: CheckContext) -> Iterator[tuple[str, str, str]]:
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


def owners(subject: CheckContext) -> Iterator[Finding]:
    """All belongs to root, by name or number."""
    rows = (
        ("root:root", f"{entry.owner}:{entry.group}", entry.path)
        for entry in subject.contents.entries
        if entry.owner not in ("root", "0") or entry.group not in ("root", "0")
    )
    yield from group_findings(rows)


def no_privileges(subject: CheckContext) -> Iterator[Finding]:
    """No setuid, setgid, sticky bit, no file capabilities."""
    for entry in subject.contents.entries:
        if entry.mode & 0o7000:
            yield Finding("no setuid, setgid or sticky bit", f"{entry.mode:04o}", entry.path)
        if entry.capabilities:
            yield Finding("no capabilities", entry.capabilities, entry.path)


def not_world_writable(subject: CheckContext) -> Iterator[Finding]:
    """Nothing that everyone may write."""
    rows = (
        ("not writable by everyone", f"{entry.mode & 0o777:04o}", entry.path)
        for entry in subject.contents.entries
        if entry.mode & 0o002 and entry.kind is not Kind.SYMLINK
    )
    yield from group_findings(rows)


def config_files(subject: CheckContext) -> Iterator[Finding]:
    """An administrator's edits survive in /etc; elsewhere an upgrade always brings its own."""
    keeps = "a conffile" if subject.is_deb else "%config(noreplace)"
    for entry in subject.files:
        if entry.path.startswith("/etc/"):
            if not entry.config:
                yield Finding(keeps, "an upgrade overwrites it", entry.path)
            elif not subject.is_deb and "noreplace" not in entry.flags:
                yield Finding(keeps, "%config without noreplace", entry.path)
        elif entry.config:
            yield Finding("no configuration file outside /etc", "marked as one", entry.path)
    for entry in subject.contents.entries:
        if entry.config and entry.kind is not Kind.FILE:
            yield Finding("only files are configuration files", entry.kind.value, entry.path)


def digests(subject: CheckContext, *, elf: bool) -> Iterator[Finding]:
    """The bytes are those that were put in."""
    expected = subject.expected.files if subject.expected else {}
    for entry in subject.files:
        row = expected.get(entry.path)
        if row and row.sha256 and bool(entry.elf) is elf and row.sha256 != entry.sha256:
            yield Finding(f"sha256 {row.sha256}", f"sha256 {entry.sha256}", entry.path)


def times(subject: CheckContext) -> Iterator[Finding]:
    """Nothing is newer than the release, or than the package itself."""
    limit = (subject.expected.timestamp if subject.expected else 0) or subject.contents.built
    rows = (
        (f"at most {_date(limit)}", _date(entry.mtime), entry.path)
        for entry in subject.contents.entries
        if entry.mtime > limit
    )
    yield from group_findings(rows)
    if exact(subject) and subject.contents.built != limit:
        yield Finding(f"built {_date(limit)}", _date(subject.contents.built), "the package itself")


def _date(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"


RULES = (
    CheckDefinition(
        "modes",
        2,
        "permissions are exactly right",
        modes,
        todo="Set them in kubeparcel.yaml: packages.NAME.files, mode",
    ),
    CheckDefinition("owner-root", 3, "everything belongs to root:root", owners),
    CheckDefinition(
        "no-privileges", 4, "no setuid, setgid, sticky bits or capabilities", no_privileges
    ),
    CheckDefinition("not-world-writable", 5, "nothing is writable by everyone", not_world_writable),
    CheckDefinition(
        "config-files",
        7,
        "exactly the files in /etc keep an administrator's edits",
        config_files,
        lambda subject: any(e.config or e.path.startswith("/etc/") for e in subject.files),
        "Mark files in /etc in kubeparcel.yaml: packages.NAME.files, config: true",
    ),
    CheckDefinition(
        "binary-digests",
        11,
        "each binary is, byte for byte, the one that was got",
        lambda subject: digests(subject, elf=True),
        lambda subject: exact(subject) and bool(subject.binaries),
    ),
    CheckDefinition(
        "file-contents",
        11,
        "each other file is, byte for byte, the one that was rendered",
        lambda subject: digests(subject, elf=False),
        exact,
    ),
    CheckDefinition(
        "times",
        21,
        "nothing is newer than the release",
        times,
        lambda subject: bool(subject.contents.built or exact(subject)),
    ),
)
