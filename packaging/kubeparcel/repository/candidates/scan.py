"""List the package files in a folder, and find those that changed since it was last published."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from itertools import filterfalse
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.package_cache import LastPublish
from kubeparcel.repository.storage.base import METADATA_FOLDER


def scan_packages(folder: Path) -> tuple[FileStamp, ...]:
    """Return all debs and RPMs below a folder, sorted by path.

    Hidden files and repositories made by kubeparcel, such as dist/repo, are skipped. Raises
    UsageError if there is no package.
    """
    require_folder(folder)
    with translate_os_errors(folder):
        files = sorted(_stamps(str(folder), time.time_ns()))
    if not files:
        raise UsageError(
            f"No .deb or .rpm files in {folder}.", "Build packages first (inv build), or pass --from FOLDER."
        )
    _reject_invalid_names(files)
    return tuple(files)


def require_folder(folder: Path) -> None:
    """Raise UsageError unless `folder` is a folder."""
    if not folder.exists():
        raise UsageError(f"{folder} does not exist.", "Build packages first (inv build), or pass --from FOLDER.")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", "Pass a folder with --from.")


def new_files(files: Sequence[FileStamp], last: LastPublish) -> Sequence[FileStamp] | None:
    """Return the files that are new since the last publish, None if one of its files is gone."""
    before = frozenset(last.files)
    new = [file for file in files if file not in before]
    return new if len(files) - len(new) == len(before) else None


def _stamps(folder: str, moment: int) -> Iterator[FileStamp]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if name.endswith((".deb", ".rpm")):
                if entry.is_file():
                    yield FileStamp.of(entry.path, entry.stat(), moment)
            elif entry.is_dir(follow_symlinks=False) and not Path(entry.path, METADATA_FOLDER).is_dir():
                yield from _stamps(entry.path, moment)


def _reject_invalid_names(files: Sequence[FileStamp]) -> None:
    for file in filterfalse(str.isascii, files):
        try:
            file.encode()
        except UnicodeEncodeError:
            raise UsageError(f"The file name {file.path!a} is not valid UTF-8.", "Rename the file.") from None
