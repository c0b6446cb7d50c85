"""Find package files: by path, or by name in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.model import PACKAGE_SUFFIXES, Format
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.versions import version_key
from kubeparcel.paths import display_path


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
        patterns = " or ".join(f"*{suffix}" for suffix in PACKAGE_SUFFIXES)
        raise UsageError(
            f"No packages ({patterns}) in {folders}.", "Build them with inv build, or name a folder with packages."
        )
    return list(dict.fromkeys(files))


def _package_files(folder: Path) -> Iterator[Path]:
    """Yield the package files below a folder. Unlike Path.rglob, fail where a folder cannot be read."""

    def fail(error: OSError) -> None:
        raise error

    with translate_os_errors(folder):
        for parent, _, names in os.walk(folder, onerror=fail):
            for name in names:
                path = Path(parent, name)
                if name.endswith(PACKAGE_SUFFIXES) and path.is_file():
                    yield path


def read_selected(words: Sequence[str], base: Path, folder: Path) -> list[PackageContents]:
    """Return the packages that the words name, each once.

    A word is the path of a package or of a folder with packages, relative to `base`, or NAME or
    NAME=VERSION of a package in `folder`: without a version its newest, in each format and for each
    architecture. Raises UsageError if there is none, BrokenPackage or DiskError if one cannot be read.
    """
    from kubeparcel.packages.reader import read_packages

    files: list[Path] = []
    for word in words:
        path = base / word
        is_path = "/" in word or word.endswith(PACKAGE_SUFFIXES) or path.is_file()
        files += find_package_files([path]) if is_path else _newest(word, folder)
    return read_packages(list(dict.fromkeys(files)))


def _newest(word: str, folder: Path) -> list[Path]:
    name, _, version = word.partition("=")
    names = {file: _parse_file_name(file) for file in find_package_files([folder])}
    matches = [
        (format_, arch, file_version, file)
        for file, (format_, file_name, file_version, arch) in names.items()
        if file_name == name and version in ("", file_version)
    ]
    if not matches:
        known = sorted({f"{n}={v}" if n == name else n for _, n, v, _ in names.values()})
        hint = f"It has {', '.join(known)}. Or give the path of a package."
        raise UsageError(f"No package {word} in {display_path(folder)}.", hint)
    groups = groupby(sorted(matches), key=lambda match: match[:2])
    return [max(group, key=lambda match: version_key(match[0], match[2]))[3] for _, group in groups]


def _parse_file_name(file: Path) -> tuple[Format, str, str, str]:
    """Return format, name, version and architecture by the conventional file name, empty where it has none."""
    format_ = Format(file.suffix[1:])
    if format_ is Format.DEB:
        name, version, arch = (*file.stem.split("_", 2), "", "")[:3]
    else:
        rest, _, arch = file.stem.rpartition(".")
        name, version, release = (*rest.rsplit("-", 2), "", "")[:3]
        version = f"{version}-{release}"
    return format_, name, version, arch
