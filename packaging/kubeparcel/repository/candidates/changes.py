"""Which package files of a folder are new since it was last published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kubeparcel.repository.candidates.scan import END
from kubeparcel.repository.model import State
from kubeparcel.repository.package_cache import FileStamp, LastPublish


def files(rows: str) -> Sequence[FileStamp]:
    """The files of a listing, by path."""
    return sorted(map(_seen, rows.split(END)))


def fresh(rows: str, last: LastPublish) -> Sequence[FileStamp] | None:
    """The files that the last listing does not have as they are; None when it has some more."""
    now, before = rows.split(END), frozenset(last.files.split(END))
    new = [row for row in now if row not in before]
    return [_seen(row) for row in new] if len(now) - len(new) == len(before) else None


def place(folder: Path, suite: str, state: State) -> str:
    """From where to where files go: under this name is remembered what was published last."""
    return f"{folder}\n{suite}\n{state.identity}"


def _seen(row: str) -> FileStamp:
    size, mtime, path = row.split(" ", 2)
    return FileStamp(path, int(size), int(mtime), "")
