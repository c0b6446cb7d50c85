"""Parses patches as `git diff` and `git format-patch` write them, strictly.

Text between the changes, such as a commit message, is skipped.
Format: https://git-scm.com/docs/diff-format#generate_patch_text_with_p
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kubeparcel.errors import ConfigurationError

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@.*")
_START = b"diff --git "
_SAME_NAME = re.compile(r"a/(.+) b/\1")
_NO_NEWLINE = b"\\ No newline at end of file"
_MODE = re.compile(r"(?:(?:new|deleted) file mode|old mode|new mode|index \w+\.\.\w+) ?(\d{6})?")
_FILE_MODES = ("100644", "100755")
_EXPECTED = "Write the patch with: git format-patch, or git diff --no-ext-diff (with the default prefixes a/ and b/)."


@dataclass(frozen=True)
class Hunk:
    """A change of lines: `old` from line `start` on (the first is 1) becomes `new`. `number` counts in the file.

    `context` are the numbers of lines before and after the change that both have.
    """

    number: int
    start: int
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]
    patch_line: int
    context: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class FileChange:
    """The changes of a file: `old` is empty for a new one, `new` for a deleted one; both differ for a renamed one."""

    old: str
    new: str
    copied: bool
    hunks: tuple[Hunk, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that the file has before and after."""
        return tuple(dict.fromkeys(filter(None, (self.old, self.new))))


class PatchError(ConfigurationError):
    """A patch is invalid, or does not apply."""


@dataclass
class _Lines:
    """The lines of a patch, without their ends, and the position of the reader."""

    name: str
    lines: Sequence[bytes]
    position: int = 0

    @property
    def next(self) -> bytes | None:
        return self.lines[self.position] if self.position < len(self.lines) else None

    def take(self) -> bytes:
        line = self.next
        if line is None:
            raise self.error("the patch ends early")
        self.position += 1
        return line

    def error(self, problem: str, hint: str = _EXPECTED) -> PatchError:
        return PatchError(f"{self.name}, line {self.position}: {problem}.", hint)


@dataclass
class _Header:
    """What is known of a changed file before its hunks."""

    names: list[str] = field(default_factory=list)
    created: bool = False
    deleted: bool = False
    renamed: bool = False
    copied: bool = False


def parse(data: bytes, name: str) -> tuple[FileChange, ...]:
    """Return the changes of a patch; `name` names it in errors. Raises PatchError."""
    lines = _Lines(name, data.removesuffix(b"\n").split(b"\n"))
    changes = []
    while lines.next is not None:
        line = lines.take()
        if line.startswith(_START):
            changes.append(_file_change(lines, line))
        elif line.startswith((b"+++ ", b"@@ -", b"Binary files ", b"GIT binary patch")):
            raise lines.error("a change without a line `diff --git a/FILE b/FILE` before it")
    if not changes:
        raise PatchError(f"{name} contains no changes.", _EXPECTED)
    return tuple(changes)


def _file_change(lines: _Lines, first: bytes) -> FileChange:
    old_and_new = _text(first[len(_START) :].rstrip(b"\r"), lines)
    match = _SAME_NAME.fullmatch(old_and_new)
    header = _Header([match[1], match[1]] if match else [])
    while (line := lines.next) is not None and not line.startswith((_START, b"@@", b"-- ")) and line.strip():
        lines.take()
        _read_header(_text(line.rstrip(b"\r"), lines), header, lines)
    names = " ".join(f"{prefix}/{name}" for prefix, name in zip("ab", header.names, strict=False))
    if len(header.names) != 2 or names != old_and_new or len(set(header.names)) > 1 + header.renamed:
        raise lines.error("the names of the file are missing, or differ without a rename")
    old, new = ("" if header.created else header.names[0]), ("" if header.deleted else header.names[1])
    for path in filter(None, (old, new)):
        _check_path(path, lines)
    hunks = tuple(_hunks(lines))
    if (header.created and any(hunk.old for hunk in hunks)) or (header.deleted and any(hunk.new for hunk in hunks)):
        raise lines.error(f"{old or new}: lines before the file exists, or after it is deleted")
    return FileChange(old, new, header.copied, hunks)


def _read_header(line: str, header: _Header, lines: _Lines) -> None:
    """Read a line between `diff --git` and the first hunk."""
    word, _, rest = line.partition(" ")
    rest = rest.rstrip("\t")
    if word in ("---", "+++"):
        _read_name(word, rest, header, lines)
    elif word in ("rename", "copy") and rest.startswith(("from ", "to ")):
        kind, _, path = rest.partition(" ")
        header.names = [path, *header.names[1:]] if kind == "from" else [*header.names[:1], path]
        header.renamed, header.copied = True, word == "copy"
    elif mode := _MODE.fullmatch(line):
        if mode[1] and mode[1] not in _FILE_MODES:
            raise lines.error(f"file mode {mode[1]}: symbolic links and submodules cannot be patched")
        header.created |= line.startswith("new file")
        header.deleted |= line.startswith("deleted file")
    elif word in ("Binary", "GIT"):
        raise lines.error("binary files cannot be patched")
    elif word not in ("similarity", "dissimilarity"):
        raise lines.error(f"unexpected text {line[:80]!r}")


def _read_name(word: str, path: str, header: _Header, lines: _Lines) -> None:
    """Read the name of a file, and compare it with what was read before."""
    prefix, index = ("a/", 0) if word == "---" else ("b/", 1)
    if path == "/dev/null":
        if not (header.created, header.deleted)[index]:
            raise lines.error("/dev/null without a line `new file mode` or `deleted file mode`")
        return
    if not path.startswith(prefix):
        raise lines.error(f"unexpected path {path[:200]!r}: it does not begin with {prefix}")
    if header.names[index : index + 1] not in ([], [path[2:]]):
        raise lines.error(f"{path[2:200]!r} is not the file of the line `diff --git`")
    header.names[index : index + 1] = [path[2:]]


def _check_path(path: str, lines: _Lines) -> None:
    """Raise PatchError for a path outside the repository, or one that git writes in quotes."""
    parts = path.split("/")
    if {"", ".", ".."} & set(parts) or ".git" in parts:
        raise lines.error(f"the path {path[:200]!r} is not one of a file in the repository", "Nothing was changed.")
    if not path.isprintable() or set(path) & set('"\\'):
        raise lines.error(f"the path {path[:200]!r} has characters that are not supported", "Nothing was changed.")


def _text(line: bytes, lines: _Lines) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise lines.error("not UTF-8") from None


def _hunks(lines: _Lines) -> Iterator[Hunk]:
    number = 0
    while (line := lines.next) is not None and line.startswith(b"@@"):
        lines.take()
        number += 1
        match = _HUNK.fullmatch(line.rstrip(b"\r"))
        if not match:
            raise lines.error("invalid hunk: expected @@ -LINE,COUNT +LINE,COUNT @@")
        start, counts = int(match[1]), [int(match[2] or 1), int(match[4] or 1)]
        place = lines.position
        old, new = _changed_lines(lines, *counts)
        yield Hunk(number, start, old, new, place, _context(lines.lines[place : lines.position]))


def _context(rows: Sequence[bytes]) -> tuple[int, int]:
    """Return how many of a hunk's rows are context at its start and at its end."""
    changes = [index for index, row in enumerate(rows) if row[:1] in (b"-", b"+")]
    after = [row for row in rows[changes[-1] + 1 :] if not row.startswith(b"\\")] if changes else rows
    return (changes[0], len(after)) if changes else (len(rows), len(rows))


def _changed_lines(lines: _Lines, old_count: int, new_count: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the lines of a hunk before and after, with their ends."""
    sides: dict[int, list[bytes]] = {0: [], 1: []}
    last: tuple[int, ...] = ()
    while len(sides[0]) < old_count or len(sides[1]) < new_count or lines.next == _NO_NEWLINE:
        line = lines.take()
        if line.rstrip(b"\r") == _NO_NEWLINE:
            if not last:
                raise lines.error("`\\ No newline` without a line before it")
            for side in last:
                sides[side][-1] = sides[side][-1].removesuffix(b"\n")
            last = ()
            continue
        last = {b" ": (0, 1), b"-": (0,), b"+": (1,), b"": (0, 1)}.get(line[:1], ())
        if not last:
            raise lines.error("expected a line that begins with a space, - or +: the patch is damaged")
        for side in last:
            sides[side].append(line[1:] + b"\n")
    if (len(sides[0]), len(sides[1])) != (old_count, new_count):
        raise lines.error("the hunk has other numbers of lines than its first line says: the patch is damaged")
    return tuple(sides[0]), tuple(sides[1])
