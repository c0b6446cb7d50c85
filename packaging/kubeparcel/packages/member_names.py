"""The names of an archive's members: as absolute paths, what is wrong with them, and how many there may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubeparcel.packages import limits


class NameBudget:
    """Limits the number of a package's files, and the length of their names and of the directories above them.

    Directories count, as whoever lists them needs as much memory: a path of 4 KiB may have 2,000.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._members = self._characters = 0
        self._directories: set[str] = set()

    def spend(self, path: str, *texts: str) -> None:
        """Add a file with its link and owners; raise MalformedData above a limit."""
        self._members += 1
        limits.MEMBERS.check(self._members, self._subject)
        limits.PATH.check(max(len(path), *map(len, texts)) if texts else len(path), "a path or link")
        self._characters += len(path) + sum(map(len, texts))
        for directory in _new_directories(path, self._directories):
            self._characters += len(directory)
            limits.NAMES.check(self._characters, self._subject)
        limits.NAMES.check(self._characters, self._subject)


def parent_directories(paths: Iterable[str]) -> Iterator[str]:
    """Yield each directory above absolute paths once."""
    known: set[str] = set()
    for path in paths:
        yield from _new_directories(path, known)


def _new_directories(path: str, known: set[str]) -> Iterator[str]:
    """Yield the directories above a path that are not in `known`, and add them to it."""
    while (path := path.rpartition("/")[0] or "/") not in known:
        known.add(path)
        yield path


def absolute_path(name: str) -> str:
    """Return the absolute path of a member; member names are relative to the root."""
    plain = name.removeprefix("./").strip("/")
    return "/" if plain in ("", ".") else f"/{plain}"


def member_name_faults(name: str, taken: bool) -> Iterator[str]:
    """Yield what is wrong with a member's name: not relative, `..`, unprintable, duplicate."""
    parts = name.removeprefix("./").removesuffix("/").split("/")
    if name not in (".", "./") and not {"", ".", ".."}.isdisjoint(parts):
        yield f"the member {name!r} is not a plain relative path"
    if not name.isprintable():
        yield f"the member {name!r} contains unprintable characters"
    if taken:
        yield f"the archive has the member {name!r} twice"
