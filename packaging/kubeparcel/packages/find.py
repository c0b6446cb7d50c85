"""Find package files by path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.model import Format


def find_package_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files among `paths` and all package files below the folders among them.

    Raises UsageError when a path does not exist or there are no packages.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(p for f in Format for p in path.rglob(f"*.{f}") if p.is_file())
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
