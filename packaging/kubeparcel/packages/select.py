"""Find the packages that a user names: by path, or by name in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from kubeparcel.errors import UsageError
from kubeparcel.model import Format
from kubeparcel.packages.find import find_package_files
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.reader import read_packages
from kubeparcel.packages.versions import version_key
from kubeparcel.paths import display_path


def read_selected(words: Sequence[str], base: Path, folder: Path) -> list[PackageContents]:
    """Return the packages that the words name, each once.

    A word is the path of a package or of a folder with packages, relative to `base`, or NAME or
    NAME=VERSION of a package in `folder`: without a version its newest, in each format and for each
    architecture. Raises UsageError if there is none, BrokenPackage or DiskError if one cannot be read.
    """
    files: list[Path] = []
    for word in words:
        path = base / word
        is_path = "/" in word or word.endswith(tuple(f".{f}" for f in Format)) or path.is_file()
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
