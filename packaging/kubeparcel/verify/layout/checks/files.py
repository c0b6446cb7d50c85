"""Checks of each file's properties: mode, owner, configuration mark, bytes and times."""

from __future__ import annotations

from collections.abc import Iterator

from kubeparcel.packages.model import FileType
from kubeparcel.reports.results import Finding
from kubeparcel.times import utc_time
from kubeparcel.verify.layout.check_context import CheckContext, check, group_findings, has_binaries, is_exact


@check(
    "files and directories have the expected permissions", hint="Set mode in packages.NAME.files of kubeparcel.yaml."
)
def modes(context: CheckContext) -> Iterator[Finding]:
    """Report permissions that differ from the package's record, or the catalog's.

    Paths in neither must be writable by their owner only. Stricter permissions are no fault, except
    right after the build: somebody chose them.
    """
    yield from group_findings(_mode_differences(context))


def _mode_differences(context: CheckContext) -> Iterator[tuple[str, str, str]]:
    for entry in context.contents.entries:
        mode = entry.mode & 0o777
        file = context.expected.files.get(entry.path)
        if entry.kind is FileType.SYMLINK:
            continue
        if file is not None:
            allowed = [file.mode]
        elif entry.kind is FileType.DIR:
            allowed = [0o755]
        else:
            allowed = [0o755] if entry.elf else [0o644, 0o755]
        stricter = not is_exact(context) and any(_is_stricter(mode, value) for value in allowed)
        if mode not in allowed and not stricter:
            yield " or ".join(f"{value:04o}" for value in allowed), f"{mode:04o}", entry.path


def _is_stricter(mode: int, allowed: int) -> bool:
    """Return whether the group and others have fewer permissions, and the owner the same ones."""
    return mode & 0o700 == allowed & 0o700 and not mode & ~allowed


@check("every path is owned by root:root")
def owner_root(context: CheckContext) -> Iterator[Finding]:
    """Report paths with another owner or group, by name or number."""
    yield from group_findings(
        ("root:root", f"{entry.owner}:{entry.group}", entry.path)
        for entry in context.contents.entries
        if entry.owner not in ("root", "0") or entry.group not in ("root", "0")
    )


@check("no file has setuid, setgid, the sticky bit or capabilities")
def no_privileges(context: CheckContext) -> Iterator[Finding]:
    """Report special permission bits and file capabilities."""
    for entry in context.contents.entries:
        if entry.mode & 0o7000:
            yield Finding("no setuid, setgid or sticky bit", f"{entry.mode:04o}", entry.path)
        if entry.capabilities:
            yield Finding("no capabilities", entry.capabilities, entry.path)


@check("no file is world-writable")
def not_world_writable(context: CheckContext) -> Iterator[Finding]:
    """Report files and directories that every user may write to."""
    yield from group_findings(
        ("not world-writable", f"{entry.mode & 0o777:04o}", entry.path)
        for entry in context.contents.entries
        if entry.mode & 0o002 and entry.kind is not FileType.SYMLINK
    )


@check(
    "exactly the files in /etc are configuration files that keep local changes",
    applies=lambda context: any(e.is_conffile or e.path.startswith("/etc/") for e in context.files),
    hint="Set config: true for files in /etc, in packages.NAME.files of kubeparcel.yaml.",
)
def config_files(context: CheckContext) -> Iterator[Finding]:
    """Report files in /etc whose local changes an upgrade overwrites, and other config files."""
    required = "a conffile" if context.is_deb else "%config(noreplace)"
    for entry in context.files:
        if entry.path.startswith("/etc/"):
            if not entry.is_conffile:
                yield Finding(required, "a regular file, which upgrades overwrite", entry.path)
            elif not context.is_deb and "noreplace" not in entry.flags:
                yield Finding(required, "%config without noreplace", entry.path)
        elif entry.is_conffile:
            yield Finding("no configuration file outside /etc", "a configuration file", entry.path)
    for entry in context.contents.entries:
        if entry.is_conffile and entry.kind is not FileType.FILE:
            yield Finding("only regular files are configuration files", entry.kind.value, entry.path)


@check(
    "each binary is identical to the one downloaded or compiled",
    applies=lambda context: is_exact(context) and has_binaries(context),
)
def binary_digests(context: CheckContext) -> Iterator[Finding]:
    """Report binaries whose SHA-256 differs from that of the input of the build."""
    return _different_digests(context, elf=True)


@check("each other file is identical to the rendered one", applies=is_exact)
def file_contents(context: CheckContext) -> Iterator[Finding]:
    """Report other files whose SHA-256 differs from that of the input of the build."""
    return _different_digests(context, elf=False)


def _different_digests(context: CheckContext, *, elf: bool) -> Iterator[Finding]:
    for entry in context.files:
        file = context.expected.files.get(entry.path)
        if file and file.sha256 and bool(entry.elf) is elf and file.sha256 != entry.sha256:
            yield Finding(f"sha256 {file.sha256}", f"sha256 {entry.sha256}", entry.path)


@check(
    "no file is newer than the release", applies=lambda context: bool(context.contents.build_time or is_exact(context))
)
def timestamps(context: CheckContext) -> Iterator[Finding]:
    """Report files newer than the release, or than the package if the release is unknown.

    For a package that was just built, also report a build time that is not the release's.
    """
    built = context.contents.build_time
    limit = context.expected.timestamp or built
    yield from group_findings(
        (f"at most {utc_time(limit)}", utc_time(entry.mtime), entry.path)
        for entry in context.contents.entries
        if entry.mtime > limit
    )
    if is_exact(context) and built != limit:
        yield Finding(f"built {utc_time(limit)}", f"built {utc_time(built)}", "the package's metadata")
