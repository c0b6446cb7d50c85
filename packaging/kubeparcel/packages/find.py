"""Find package files by path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.model import Format


def find_package_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files among `paths` and all package files below the folders among them.

    Raises UsageError when a path does not exist or there are no packages, DiskError for a folder that cannot be read.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(_package_files(path))
        elif path.exists():
            files.append(path)
        else:
            raise UsageError(f"{path}: no such file or folder.", "Give package files, or folders with packages.")
    if not files:
        folders = ", ".join(str(path) for path in paths)
        patterns = " or ".join(f"*.{f}" for f in Format)
        raise UsageError(
            f"No packages ({patterns}) in {folders}.", "Build them with inv build, or name a folder with packages."
        )
    return list(dict.fromkeys(files))


def _package_files(folder: Path) -> Iterator[Path]:
    """Yield the package files below a folder. Unlike Path.rglob, fail where a folder cannot be read."""

    def fail(error: OSError) -> None:
        raise error

    suffixes = tuple(f".{f}" for f in Format)
    with translate_os_errors(folder):
        for parent, _, names in os.walk(folder, onerror=fail):
            for name in names:
                path = Path(parent, name)
                if name.endswith(suffixes) and path.is_file():
                    yield path
