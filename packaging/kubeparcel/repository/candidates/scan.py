"""List the package files in a folder, and find those that changed since it was last published."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import filterfalse
from pathlib import Path
from typing import NamedTuple

from kubeparcel.errors import UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.model import PACKAGE_SUFFIXES
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.package import ADVISORY_SUFFIX, SBOM_SUFFIXES
from kubeparcel.repository.package_cache import LastPublish
from kubeparcel.repository.storage.base import METADATA_FOLDER

SIDE_FOLDERS = {"attestations": (".intoto.json",), "sbom": SBOM_SUFFIXES, "advisories": (ADVISORY_SUFFIX,)}
"""The folders of a build's output with files about its packages, and how their names end."""

_WANTED = (*PACKAGE_SUFFIXES, *(suffix for suffixes in SIDE_FOLDERS.values() for suffix in suffixes))


class ScannedFolder(NamedTuple):
    """The debs and RPMs below a folder, and the files about them, both sorted by path."""

    packages: tuple[FileStamp, ...]
    side_files: tuple[FileStamp, ...]

    @property
    def reliable(self) -> ScannedFolder:
        """The files whose stamps identify them."""
        if all(map(FileStamp.are_reliable, self)):
            return self
        return ScannedFolder(*(tuple(file for file in files if file.is_reliable) for files in self))


def scan_folder(folder: Path) -> ScannedFolder:
    """Return all debs and RPMs below a folder, and the files about them.

    Hidden files and repositories made by kubeparcel, such as dist/repo, are skipped. Raises
    UsageError if there is no package.
    """
    require_folder(folder)
    with translate_os_errors(folder):
        scanned = ScannedFolder(*map(tuple, map(sorted, _stamps(str(folder), time.time_ns()))))
    if not scanned.packages:
        raise UsageError(
            f"No .deb or .rpm files in {folder}.", "Build packages first (inv build), or pass --from FOLDER."
        )
    for files in scanned:
        _reject_invalid_names(files)
    return scanned


def require_folder(folder: Path) -> None:
    """Raise UsageError unless `folder` is a folder."""
    if not folder.exists():
        raise UsageError(f"{folder} does not exist.", "Build packages first (inv build), or pass --from FOLDER.")
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", "Pass a folder with --from.")


def new_files(scanned: ScannedFolder, last: LastPublish) -> Sequence[FileStamp] | None:
    """Return the packages that are new since the last publish, themselves or a file about them.

    None if one of its packages is gone.
    """
    before = frozenset(last.files)
    new = [file for file in scanned.packages if file not in before]
    if len(scanned.packages) - len(new) != len(before):
        return None
    if scanned.side_files == last.side_files:
        return new
    known = frozenset(last.side_files)
    described = {path for file in scanned.side_files if file not in known for path in _described_packages(file.path)[0]}
    return new + [file for file in scanned.packages if file in before and file.path in described]


def side_files(scanned: ScannedFolder) -> dict[str, dict[str, str]]:
    """Return the files about each package: their paths by suffix, by the path of the package."""
    described: dict[str, dict[str, str]] = {}
    for file in scanned.side_files:
        paths, suffix = _described_packages(file.path)
        for path in paths:
            described.setdefault(path, {})[suffix] = file.path
    return described


def _described_packages(path: str) -> tuple[Sequence[str], str]:
    """Return where the package may be that a file is about, and the suffix of the file.

    It is next to the package, or in a folder next to it or next to its folder.
    """
    suffix = next(suffix for suffix in _WANTED if path.endswith(suffix))
    folder, _, name = path.removesuffix(suffix).rpartition("/")
    parent, _, last = folder.rpartition("/")
    places = (parent, f"{parent}/deb", f"{parent}/rpm") if last in SIDE_FOLDERS else (folder,)
    return [f"{place}/{name}" for place in places], suffix


def _stamps(folder: str, moment: int) -> tuple[list[FileStamp], list[FileStamp]]:
    """Return the stamps of packages and of files about them."""
    packages: list[FileStamp] = []
    side_files: list[FileStamp] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if name.endswith(_WANTED):
                if entry.is_file():
                    files = packages if name.endswith(PACKAGE_SUFFIXES) else side_files
                    files.append(FileStamp.of(entry.path, entry.stat(), moment))
            elif entry.is_dir(follow_symlinks=False) and not Path(entry.path, METADATA_FOLDER).is_dir():
                inner = _stamps(entry.path, moment)
                packages += inner[0]
                side_files += inner[1]
    return packages, side_files


def _reject_invalid_names(files: Sequence[FileStamp]) -> None:
    for file in filterfalse(str.isascii, files):
        try:
            file.encode()
        except UnicodeEncodeError:
            raise UsageError(f"The file name {file.path!a} is not valid UTF-8.", "Rename the file.") from None
