"""The files of an rpm: the header's entry for each, compared with the payload."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from kubeparcel.packages import limits
from kubeparcel.packages.inspection import FileInspection, FileInspector, InspectionCache
from kubeparcel.packages.member_names import absolute_path, member_name_faults
from kubeparcel.packages.model import FileType, PackageEntry
from kubeparcel.packages.payload_stream import PayloadStream
from kubeparcel.packages.rpm import cpio, tags
from kubeparcel.packages.rpm.header import Header, rows
from kubeparcel.packages.rpm.rpm_metadata import file_paths

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
    """A file as the payload has it: a symlink's `target`, or an inspection, perhaps of the file at `link_target`."""

    mode: int
    size: int
    target: str
    inspection: FileInspection | None
    link_target: str = ""


def entries(main: Header, stream: PayloadStream, cache: InspectionCache) -> tuple[list[PackageEntry], list[str]]:
    """Return all entries, and a fault for each difference between header and payload. Raises MalformedData."""
    number = main.number(tags.FILEDIGESTALGO)
    algorithm = tags.DIGESTS.get(1 if number is None else number, "")
    header_files = tuple(_header_files(main))
    payload_files, faults = _payload_files(stream, FileInspector(cache, algorithm or "sha256"))
    merged = []
    for file in header_files:
        entry, differences = _merge(file, payload_files.pop(file.path, None), algorithm)
        merged.append(entry)
        faults += (f"{file.path}: {difference}" for difference in differences)
    for path, stray in payload_files.items():
        faults.append(f"{path} is in the payload, but not in the header")
        merged.append(HeaderFile(path, stray.mode, stray.size).entry())
    return merged, faults


def _header_files(main: Header) -> Iterator[HeaderFile]:
    modes = main.numbers(tags.FILEMODES)
    columns = (
        file_paths(main),
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


def _payload_files(stream: PayloadStream, inspector: FileInspector) -> tuple[dict[str, PayloadFile], list[str]]:
    """Return the files of the payload by path, and a fault for each invalid name."""
    files: dict[str, PayloadFile] = {}
    faults: list[str] = []
    linked: dict[tuple[int, int, int], list[str]] = {}
    for member in cpio.members(stream):
        path = absolute_path(member.name)
        faults += member_name_faults(member.name, path in files)
        files[path] = _payload_file(member, path, stream, inspector)
        if member.links > 1:
            linked.setdefault(member.file, []).append(path)
    for paths in linked.values():
        source = next((path for path in reversed(paths) if files[path].size), None)
        for path in paths:
            if source and path != source:
                files[path] = replace(files[source], mode=files[path].mode, link_target=source)
    return files, faults


def _payload_file(member: cpio.CpioMember, path: str, stream: PayloadStream, inspector: FileInspector) -> PayloadFile:
    if not stat.S_ISLNK(member.mode):
        return PayloadFile(member.mode, member.size, "", inspector.inspect(stream, member.size, path))
    limits.PATH.check(member.size, "a link in its payload")
    target = b"".join(map(bytes, stream.blocks(member.size, path))).decode("utf-8", "replace")
    return PayloadFile(member.mode, member.size, target, None)


def _merge(file: HeaderFile, payload: PayloadFile | None, algorithm: str) -> tuple[PackageEntry, list[str]]:
    """Return a file's entry, and where header and payload differ."""
    entry = file.entry()
    if payload is None:
        is_ghost = "ghost" in entry.flags
        return entry, [] if is_ghost else ["in the header, but not in the payload"]
    faults = [*_differences(file, entry.kind, payload)]
    if entry.kind is not FileType.FILE or payload.inspection is None:
        return entry, faults
    if payload.link_target:
        entry = replace(entry, kind=FileType.HARDLINK, target=payload.link_target)
    inspection = payload.inspection
    if not algorithm or inspection.digest != file.digest.lower():
        faults.append(f"its digest in FILEDIGESTS is {file.digest}, in the payload {inspection.digest}")
    return inspection.complete(entry), [*faults, *inspection.faults]


def _differences(file: HeaderFile, kind: FileType, payload: PayloadFile) -> Iterator[str]:
    if payload.mode != file.mode:
        yield f"mode {file.mode:o} in the header, {payload.mode:o} in the payload"
    if kind is FileType.FILE and payload.size != file.size:
        yield f"{file.size:,} bytes in the header, {payload.size:,} in the payload"
    if kind is FileType.SYMLINK and payload.target != file.target:
        yield f"its target is {file.target} in the header, {payload.target} in the payload"
