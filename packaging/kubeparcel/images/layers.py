"""Layers made of a few files: everything owned by root, and of one date."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from kubeparcel.files import translate_os_errors
from kubeparcel.images.model import LAYER, Blob


def of_programs(programs: Mapping[str, Path], released: int, target: Path) -> Blob:
    """A layer with programs at absolute paths, and the folders above them."""
    folders = {above for path in programs for above in PurePosixPath(path).parents}
    with translate_os_errors(target), tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder in sorted(str(one) for one in folders if one != PurePosixPath("/")):
            entry = _entry(folder, released)
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
        for path, file in sorted(programs.items()):
            entry = _entry(path, released)
            entry.size = file.stat().st_size
            with file.open("rb") as source:
                tar.addfile(entry, source)
    return Blob.of_file(LAYER, target)


def _entry(path: str, released: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.mode, entry.mtime = 0o755, released
    return entry
