"""Applies parsed patches in memory: to the lines of their context, or not at all.

Every line of context has to match, unless fuzz is allowed for a patch. A hunk may have moved if its lines
occur exactly once in the file.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubeparcel.config.patch_settings import MAX_FUZZ
from kubeparcel.sources.patches import FileChange, Hunk, PatchError

Reader = Callable[[str], bytes | None]
"""Returns the content of a file of the repository by its path; None if it does not exist."""


@dataclass(frozen=True)
class ParsedPatch:
    """A patch by its name; up to `fuzz` lines at each end of a hunk's context need not match."""

    name: str
    changes: Sequence[FileChange]
    fuzz: int = 0


@dataclass(frozen=True)
class _Place:
    """Where the lines of a hunk are: the index of its first line, and how many of its first and last are ignored."""

    index: int
    ignored: tuple[int, int] = (0, 0)
    fuzz: int = 0


@dataclass(frozen=True)
class _Target:
    """The files that patches are applied to; `changed` is updated, and None for deleted ones."""

    release: str
    read: Reader
    changed: dict[str, bytes | None]
    remark: Callable[[str], object]

    def current(self, path: str) -> bytes | None:
        return self.changed[path] if path in self.changed else self.read(path)


def apply(
    patches: Sequence[ParsedPatch], release: str, read: Reader, remark: Callable[[str], object]
) -> dict[str, bytes | None]:
    """Apply patches one after the other to the files of a release.

    Returns the new content of each changed file by its path; None for deleted ones. `remark` gets a line for each
    hunk that needed fuzz. Raises PatchError, which names the file, the hunk and the release, if a patch does not
    apply as a whole.
    """
    target = _Target(release, read, {}, remark)
    for patch in patches:
        for change in patch.changes:
            _apply_change(patch, change, target)
    return target.changed


def _apply_change(patch: ParsedPatch, change: FileChange, target: _Target) -> None:
    problem = f"{patch.name} does not apply to {target.release}: "
    before = target.current(change.old) if change.old else b""
    if before is None:
        raise PatchError(f"{problem}{change.old} does not exist.", "Is the patch for another release?")
    if change.new and change.new != change.old and target.current(change.new) is not None:
        raise PatchError(f"{problem}{change.new} exists already.", _hint(already=True))
    after = _apply_hunks(before, patch, change, target)
    if change.old and not change.new and after:
        raise PatchError(f"{problem}{change.old} has more lines than the patch deletes.", _hint(already=False))
    if change.old and not change.copied:
        target.changed[change.old] = None
    if change.new:
        target.changed[change.new] = after


def _apply_hunks(content: bytes, patch: ParsedPatch, change: FileChange, target: _Target) -> bytes:
    lines = io.BytesIO(content).readlines()  # they end in newlines only, as git counts them
    result: list[bytes] = []
    position = 0
    shift = 0
    for hunk in change.hunks:
        name = f"{change.old or change.new}, hunk {hunk.number} (line {hunk.patch_line} of the patch)"
        problem = f"{patch.name} does not apply to {target.release}: {name}: "
        if lines and not hunk.old:
            raise PatchError(
                f"{problem}it adds lines without context, so that their place cannot be checked.",
                "Write the patch with context: git format-patch or git diff, without -U0.",
            )
        expected = hunk.start + shift - (1 if hunk.old else 0)
        place = _locate_hunk(lines, hunk, expected, position, patch.fuzz)
        if place is None:
            raise PatchError(
                f"{problem}its lines are not those of the file at line {max(hunk.start, 1)}.",
                _failure_hint(lines, hunk, expected, position, patch.fuzz),
            )
        if place.fuzz:
            target.remark(f"{patch.name}: {name} applied to {target.release} with fuzz {place.fuzz}.")
        before, after = place.ignored
        shift = place.index - hunk.start + (1 if hunk.old else 0)
        first, last = place.index + before, place.index + len(hunk.old) - after
        result += [*lines[position:first], *hunk.new[before : len(hunk.new) - after]]
        position = last
    return b"".join([*result, *lines[position:]])


def _locate_hunk(lines: list[bytes], hunk: Hunk, expected: int, first: int, most: int) -> _Place | None:
    """Return the place of a hunk with the least fuzz, as GNU patch finds it; None if there is none, or are several.

    With fuzz, the longer context is shortened first, so that a hunk whose context ends early stays at the end of
    the file, or at its start. https://git.savannah.gnu.org/cgit/patch.git/tree/src/patch.c (locate_hunk)
    """
    longest = max(hunk.context)
    for fuzz in range(min(most, longest) + 1):
        before, after = (fuzz + context - longest for context in hunk.context)
        ignored = (max(before, 0), max(after, 0)) if fuzz else (0, 0)
        wanted = hunk.old[ignored[0] : len(hunk.old) - ignored[1]]
        places = _places(lines, wanted, expected + ignored[0], first + ignored[0])
        if fuzz and after < 0:
            places = [index for index in places if index + len(wanted) == len(lines)]
        if fuzz and before < 0 and hunk.start <= 1:
            places = [index for index in places if index == 0]
        if places and (wanted or not fuzz):
            return _Place(places[0] - ignored[0], ignored, fuzz) if len(places) == 1 else None
    return None


def _places(lines: list[bytes], wanted: tuple[bytes, ...], expected: int, first: int) -> list[int]:
    """Return the index of lines: where they are expected, or all others where they occur."""
    size = len(wanted)
    if expected >= first and expected + size <= len(lines) and tuple(lines[expected : expected + size]) == wanted:
        return [expected]
    if not wanted:
        return []
    return [
        index
        for index in range(first, len(lines) - size + 1)
        if lines[index] == wanted[0] and tuple(lines[index : index + size]) == wanted
    ]


def _failure_hint(lines: list[bytes], hunk: Hunk, expected: int, first: int, fuzz: int) -> str:
    """Return what to do about a hunk that does not apply."""
    if len(_places(lines, hunk.new, expected, first)) == 1:
        return _hint(already=True)
    place = _locate_hunk(lines, hunk, expected, first, MAX_FUZZ)
    return _hint(already=False) + (
        f"\nIt would apply with fuzz, ignoring context: read the file at line {place.index + 1}, and if the change "
        f"is right there, set `fuzz: {place.fuzz}` for this patch."
        if place and place.fuzz > fuzz
        else ""
    )


def _hint(*, already: bool) -> str:
    if already:
        return "The release seems to contain the change: limit the patch with `versions`, or remove it."
    return "Nothing was compiled. Adapt the patch to the release, or limit it with `versions`."
