"""The package files of a folder, listed by a process of its own: so little else is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.repository.storage.base import METADATA_FOLDER

END = "\0"
"""Of a row: no path has it."""


def listing(folder: Path) -> str:
    """All debs and rpms below a folder, a row `SIZE MTIME PATH` each: bytes, nanoseconds.

    Repositories of ours below it, such as dist/repo, are left out. Raises UsageError without any.
    """
    with translate_os_errors(folder):
        rows = sorted(map(_row, _walk(str(require_folder(folder)))))
    if not rows:
        raise UsageError(
            f"There are no packages in {folder}.", "Build some: inv build. Or give --from DIR."
        )
    return END.join(rows)


def require_folder(folder: Path) -> Path:
    """The folder, if it is one; raises UsageError."""
    if not folder.exists():
        raise UsageError(f"There is no folder {folder}.", "Build first: inv build.")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.")
    return folder


def _row(found: os.DirEntry[str]) -> str:
    if not found.path.isascii():
        try:
            found.path.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{found.path!a} is no UTF-8.", "Rename the file.") from None
    facts = found.stat()
    return f"{facts.st_size} {facts.st_mtime_ns} {found.path}"


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as rows:
        for row in rows:
            if row.name.startswith("."):
                continue
            if row.name.endswith((".deb", ".rpm")):
                if row.is_file():
                    yield row
            elif row.is_dir(follow_symlinks=False) and not Path(row.path, METADATA_FOLDER).is_dir():
                yield from _walk(row.path)
