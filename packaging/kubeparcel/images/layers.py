"""Reproducible layers: of a few programs, or of the root file system that an engine exported.

The entries are sorted by path and no newer than the release. A root file system is stripped of what
a machine creates for itself: logs, caches, random seeds, machine id and hostname.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from kubeparcel.files import translate_os_errors
from kubeparcel.images.model import LAYER_TYPE, Blob
from kubeparcel.images.tar import END, read_chunks, read_entries, write_entry

_XATTR = "SCHILY.xattr."
"""The prefix of the only PAX headers that are kept, extended attributes."""
_SELINUX_LABEL = "SCHILY.xattr.security.selinux"
"""Removed: SELinux labels depend on the machine."""


def program_layer(programs: Mapping[str, Path], released: int, target: Path) -> Blob:
    """Write a layer with programs by absolute path, and their parent folders.

    `released` is the modification time of all entries, in seconds since 1970.
    """
    folders = {str(folder) for path in programs for folder in PurePosixPath(path).parents} - {"/"}
    with translate_os_errors(target), tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder in sorted(folders):
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
    """What to strip from a root file system: patterns of paths without the leading slash.

    `exclude` removes a path with everything below, `keep_dir_only` everything below a folder,
    `drop_files` all but the folders below it; `truncate` empties a file.
    """

    exclude: tuple[str, ...] = ()
    keep_dir_only: tuple[str, ...] = ()
    drop_files: tuple[str, ...] = ()
    truncate: tuple[str, ...] = ()

    def includes(self, entry: tarfile.TarInfo, path: str) -> bool:
        parents = [str(parent) for parent in PurePosixPath(path).parents]
        if _matches([path, *parents], self.exclude) or _matches(parents, self.keep_dir_only):
            return False
        return entry.isdir() or not _matches(parents, self.drop_files)


def _matches(paths: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for path in paths for pattern in patterns)


def root_filesystem_layer(exported: Path, target: Path, rules: RootFilesystemRules, released: int) -> Blob:
    """Write a layer from an exported root file system.

    Modification times after `released`, in seconds since 1970, are set to it.
    """
    entries = read_entries(exported)
    paths = sorted(path for path, entry in entries.items() if rules.includes(entry, path))
    link_targets = _link_targets(entries, paths)
    with translate_os_errors(target), target.open("wb") as out:
        for path in paths:
            if path != ".":
                entry = _normalized_entry(path, entries, link_targets, released)
                if entry.isreg() and _matches([path], rules.truncate):
                    entry.size, entry.mode = 0, entry.mode & 0o666  # engines make it executable
                data = read_chunks(exported, entry.offset_data, entry.size)
                write_entry(out, entry, data if entry.isreg() else ())
        out.write(END)
    return Blob.from_file(LAYER_TYPE, target)


def _link_targets(entries: Mapping[str, tarfile.TarInfo], paths: Iterable[str]) -> dict[str, str]:
    """Map each file with hard links, by its name in the export, to its first name in the layer.

    That name gets the data; the others become links to it.
    """
    linked = {_data_path(entry, path) for path, entry in entries.items() if entry.islnk()}
    first_names: dict[str, str] = {}
    for path in paths:  # in the order of the layer
        if entries[path].isreg() or entries[path].islnk():
            data_path = _data_path(entries[path], path)
            if data_path in linked:
                first_names.setdefault(data_path, path)
    return first_names


def _data_path(entry: tarfile.TarInfo, path: str) -> str:
    return str(PurePosixPath(entry.linkname)) if entry.islnk() else path


def _normalized_entry(
    path: str, entries: Mapping[str, tarfile.TarInfo], link_targets: Mapping[str, str], released: int
) -> tarfile.TarInfo:
    """Return an entry as it is written: the first name of a file, or a hard link to it."""
    data_path = _data_path(entries[path], path)
    entry = copy(entries[data_path])
    entry.name = path
    entry.mtime = min(int(entry.mtime), released)
    entry.uname = entry.gname = ""
    entry.pax_headers = {
        key: value for key, value in entry.pax_headers.items() if key.startswith(_XATTR) and key != _SELINUX_LABEL
    }
    link_target = link_targets.get(data_path, path)
    if link_target != path:
        entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, link_target, 0
    return entry
