"""A machine's exported files as a layer that is the same every time they are the same.

In the order of their names, nothing younger than the release, and without what every machine makes
for itself: logs, caches, seeds, its name and number.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from kubeparcel.files import translate_os_errors
from kubeparcel.images.model import CHUNK_SIZE, LAYER_TYPE, Blob

_KEPT = "SCHILY.xattr."
"""Of a tar's further headers only extended attributes are kept; labels of SELinux are local."""
_LOCAL = "SCHILY.xattr.security.selinux"


def program_layer(programs: Mapping[str, Path], released: int, target: Path) -> Blob:
    """A layer with programs at absolute paths, and the folders above them."""
    folders = {above for path in programs for above in PurePosixPath(path).parents}
    with translate_os_errors(target), tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder in sorted(str(one) for one in folders if one != PurePosixPath("/")):
            entry = _program_entry(folder, released)
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
        for path, file in sorted(programs.items()):
            entry = _program_entry(path, released)
            entry.size = file.stat().st_size
            with file.open("rb") as source:
                tar.addfile(entry, source)
    return Blob.from_file(LAYER_TYPE, target)


def _program_entry(path: str, released: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.mode, entry.mtime = 0o755, released
    return entry


@dataclass(frozen=True)
class RootFilesystemRules:
    """What of a machine is left out, as patterns of paths without the leading slash.

    Of `gone` nothing stays, of `hollow` folders only they themselves, of `pruned` ones the folders
    but no file; an `empty` file stays without its contents.
    """

    exclude: tuple[str, ...] = ()
    keep_dir_only: tuple[str, ...] = ()
    drop_files: tuple[str, ...] = ()
    truncate: tuple[str, ...] = ()

    def includes(self, entry: tarfile.TarInfo, path: str) -> bool:
        """Whether an entry stays."""
        above = [str(one) for one in PurePosixPath(path).parents]
        if _any([path, *above], self.exclude) or _any(above, self.keep_dir_only):
            return False
        return entry.isdir() or not _any(above, self.drop_files)


def _any(paths: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for path in paths for pattern in patterns)


def root_filesystem_layer(
    exported: Path, target: Path, rules: RootFilesystemRules, released: int
) -> Blob:
    """Write a layer of an exported file system; `released` is in seconds since 1970."""
    with tarfile.open(exported, "r:") as tar:
        entries = {str(PurePosixPath(entry.name)): entry for entry in tar}
    kept = sorted(path for path, entry in entries.items() if rules.includes(entry, path))
    first = _first_names(entries, kept)
    with translate_os_errors(target), exported.open("rb") as source, target.open("wb") as out:
        for path in kept:
            if path != ".":
                entry = _entry(path, entries, first, released)
                _write(out, entry, source, empty=_any([path], rules.truncate))
        out.write(b"\0" * 2 * tarfile.BLOCKSIZE)
    return Blob.from_file(LAYER_TYPE, target)


def _first_names(entries: Mapping[str, tarfile.TarInfo], kept: Iterable[str]) -> dict[str, str]:
    """Of a file with several names: where its bytes are, and the name that will hold them."""
    first: dict[str, str] = {}
    linked = {_bytes_of(entry, path) for path, entry in entries.items() if entry.islnk()}
    for path in kept:  # in the order they are written
        if entries[path].isreg() or entries[path].islnk():
            place = _bytes_of(entries[path], path)
            if place in linked:
                first.setdefault(place, path)
    return first


def _bytes_of(entry: tarfile.TarInfo, path: str) -> str:
    return str(PurePosixPath(entry.linkname)) if entry.islnk() else path


def _entry(
    path: str, entries: Mapping[str, tarfile.TarInfo], first: Mapping[str, str], released: int
) -> tarfile.TarInfo:
    """An entry as it is written: a file's first name holds its bytes, further ones refer to it."""
    place = _bytes_of(entries[path], path)
    entry = copy(entries[place])
    entry.name = path
    entry.mtime = min(int(entry.mtime), released)
    entry.uname = entry.gname = ""
    entry.pax_headers = {
        key: value
        for key, value in entry.pax_headers.items()
        if key.startswith(_KEPT) and key != _LOCAL
    }
    if first.get(place, path) != path:
        entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, first[place], 0
    return entry


def _write(out: BinaryIO, entry: tarfile.TarInfo, source: BinaryIO, *, empty: bool) -> None:
    if empty and entry.isreg():
        entry.size, entry.mode = 0, entry.mode & 0o666  # engines make theirs executable
    out.write(entry.tobuf(tarfile.PAX_FORMAT))
    if entry.isreg():
        source.seek(entry.offset_data)
        out.writelines(_pieces(source, entry.size))
        out.write(b"\0" * (-entry.size % tarfile.BLOCKSIZE))


def _pieces(source: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (piece := source.read(min(CHUNK_SIZE, size))):
        size -= len(piece)
        yield piece
