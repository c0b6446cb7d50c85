"""The files of an rpm: what its header says about each, compared with the payload."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection_cache import InspectionCache
from kubeparcel.packages.model import FileType, PackageEntry
from kubeparcel.packages.payload import FileInspection, absolute_path, inspect_file, member_name_faults
from kubeparcel.packages.rpm import cpio, tags
from kubeparcel.packages.rpm.header import Header, rows

_FILE_TYPES: Mapping[int, FileType] = {
    stat.S_IFREG: FileType.FILE,
    stat.S_IFDIR: FileType.DIR,
    stat.S_IFLNK: FileType.SYMLINK,
    stat.S_IFCHR: FileType.CHARACTER_DEVICE,
    stat.S_IFBLK: FileType.BLOCK_DEVICE,
    stat.S_IFIFO: FileType.FIFO,
    stat.S_IFSOCK: FileType.SOCKET,
}


@dataclass(frozen=True)
class HeaderFile:
    """A file as the header describes it; of a stray file only the first three are known."""

    path: str
    mode: int
    size: int
    mtime: int = 0
    digest: str = ""
    target: str = ""
    flags: int = 0
    owner: str = ""
    group: str = ""
    capabilities: str = ""

    def entry(self) -> PackageEntry:
        """Return the entry, without what only the payload has."""
        kind = _FILE_TYPES.get(stat.S_IFMT(self.mode), FileType.OTHER)
        return PackageEntry(
            path=self.path,
            kind=kind,
            mode=stat.S_IMODE(self.mode),
            owner=self.owner,
            group=self.group,
            mtime=self.mtime,
            size=self.size if kind is FileType.FILE else 0,
            target=self.target if kind is FileType.SYMLINK else "",
            flags=frozenset(flag for bit, flag in tags.FILE_FLAGS.items() if self.flags & bit),
            capabilities=self.capabilities,
        )


@dataclass(frozen=True)
class PayloadFile:
    """A file as the payload has it; `link_target` is the path it shares its bytes with, if any."""

    mode: int
    data: memoryview
    link_target: str


def entries(main: Header, payload: memoryview, cache: InspectionCache) -> tuple[list[PackageEntry], list[str]]:
    """Return all entries, and a fault for each difference between header and payload.

    Raises MalformedData for a damaged header or payload.
    """
    number = main.number(tags.FILEDIGESTALGO)
    algorithm = tags.DIGESTS.get(1 if number is None else number, "")
    payload_files, faults = _payload_files(payload)
    merged = []
    linked: dict[str, FileInspection] = {}
    for file in _header_files(main):
        entry, differences = _merge(file, payload_files.pop(file.path, None), algorithm, cache, linked)
        merged.append(entry)
        faults += (f"{file.path}: {difference}" for difference in differences)
    for path, stray in payload_files.items():
        faults.append(f"{path} is in the payload, but not in the header")
        merged.append(HeaderFile(path, stray.mode, len(stray.data)).entry())
    return merged, faults


def _header_files(main: Header) -> Iterator[HeaderFile]:
    modes = main.numbers(tags.FILEMODES)
    columns = (
        _paths(main),
        modes,
        main.numbers(tags.LONGFILESIZES) or main.numbers(tags.FILESIZES),
        main.numbers(tags.FILEMTIMES),
        main.texts(tags.FILEDIGESTS),
        main.texts(tags.FILELINKTOS),
        main.numbers(tags.FILEFLAGS),
        main.texts(tags.FILEUSERNAME),
        main.texts(tags.FILEGROUPNAME),
        main.texts(tags.FILECAPS) or ("",) * len(modes),
    )
    return (HeaderFile(*values) for values in rows(tags.BASENAMES, *columns))


def _paths(main: Header) -> tuple[str, ...]:
    directories = main.texts(tags.DIRNAMES)
    indexes = main.numbers(tags.DIRINDEXES)
    if indexes and max(indexes) >= len(directories):
        raise MalformedData(f"its header has {len(directories)} directories, but files in number {max(indexes)}")
    names = rows(tags.BASENAMES, indexes, main.texts(tags.BASENAMES))
    paths = tuple(directories[index] + name for index, name in names) or main.texts(tags.OLDFILENAMES)
    limits.PATH.check(max(map(len, paths), default=0), "a path in its header")
    return paths


def _payload_files(payload: memoryview) -> tuple[dict[str, PayloadFile], list[str]]:
    """Return the files of the payload by path, and a fault for each invalid name."""
    files: dict[str, PayloadFile] = {}
    faults: list[str] = []
    members = list(cpio.members(payload))
    with_data = {m.file: m for m in members if m.links > 1 and m.data}
    for member in members:
        path = absolute_path(member.name)
        faults += member_name_faults(member.name, path in files)
        source = with_data.get(member.file, member)
        link_target = "" if source is member else absolute_path(source.name)
        files[path] = PayloadFile(member.mode, source.data, link_target)
    return files, faults


def _merge(
    file: HeaderFile,
    payload: PayloadFile | None,
    algorithm: str,
    cache: InspectionCache,
    linked: dict[str, FileInspection],
) -> tuple[PackageEntry, list[str]]:
    """Return a file's entry, and where header and payload differ.

    `linked` has the inspections of files with hard links, whose bytes are read once.
    """
    entry = file.entry()
    if payload is None:
        is_ghost = "ghost" in entry.flags
        return entry, [] if is_ghost else ["in the header, but not in the payload"]
    faults = [*_differences(file, entry.kind, payload)]
    if entry.kind is not FileType.FILE:
        return entry, faults
    if payload.link_target:
        entry = replace(entry, kind=FileType.HARDLINK, target=payload.link_target)
    if payload.link_target in linked:
        inspection = linked[payload.link_target].of_link(entry)
    else:
        inspection = inspect_file(entry, payload.data, cache, algorithm or "sha256")
    if payload.link_target:
        linked[payload.link_target] = inspection
    if not algorithm or inspection.digest != file.digest.lower():
        faults.append(f"its digest in FILEDIGESTS is {file.digest}, in the payload {inspection.digest}")
    return inspection.entry, [*faults, *inspection.faults]


def _differences(file: HeaderFile, kind: FileType, payload: PayloadFile) -> Iterator[str]:
    if payload.mode != file.mode:
        yield f"mode {file.mode:o} in the header, {payload.mode:o} in the payload"
    if kind is FileType.FILE and len(payload.data) != file.size:
        yield f"{file.size:,} bytes in the header, {len(payload.data):,} in the payload"
    if kind is FileType.SYMLINK:
        limits.PATH.check(len(payload.data), "a link in its payload")
        target = payload.data.tobytes().decode("utf-8", "replace")
        if target != file.target:
            yield f"its target is {file.target} in the header, {target} in the payload"
