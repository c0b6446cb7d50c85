"""The files of an rpm: what its header has of each, and the payload's bytes for them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kubeparcel.packages.inspection_cache import InspectionCache
from kubeparcel.packages.model import FileType, PackageEntry
from kubeparcel.packages.payload import absolute_path, inspect_file, member_name_faults
from kubeparcel.packages.rpm import cpio, tags
from kubeparcel.packages.rpm.header import Header


@dataclass(frozen=True)
class HeaderFile:
    """One file by the header."""

    path: str
    mode: int
    size: int
    mtime: int
    digest: str
    target: str
    flags: int
    owner: str
    group: str
    capabilities: str

    def entry(self) -> PackageEntry:
        """The entry without anything that only the payload knows."""
        kind = tags.FILE_TYPES.get(stat.S_IFMT(self.mode), FileType.OTHER)
        return PackageEntry(
            path=self.path,
            kind=kind,
            mode=stat.S_IMODE(self.mode),
            owner=self.owner,
            group=self.group,
            mtime=self.mtime,
            size=self.size if kind is FileType.FILE else 0,
            target=self.target if kind is FileType.SYMLINK else "",
            flags=frozenset(word for bit, word in tags.FILE_FLAGS.items() if self.flags & bit),
            capabilities=self.capabilities,
        )


@dataclass(frozen=True)
class PayloadFile:
    """One file by the payload; `shared` is the path whose bytes it has as a hard link."""

    mode: int
    data: memoryview
    shared: str


_UNKNOWN = (0, "", "", 0, "", "", "")
"""What only the header tells: time, digest, target, flags, owner, group, capabilities."""


def rows(main: Header) -> Iterator[HeaderFile]:
    """The header's files in its order; raises ValueError when its lists differ in length."""
    modes = main.numbers(tags.FILEMODES)
    lists = (
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
    return (HeaderFile(*row) for row in zip(*lists, strict=True))


def _paths(main: Header) -> tuple[str, ...]:
    folders = main.texts(tags.DIRNAMES)
    names = zip(main.numbers(tags.DIRINDEXES), main.texts(tags.BASENAMES), strict=True)
    return tuple(folders[at] + name for at, name in names) or main.texts(tags.OLDFILENAMES)


def entries(
    main: Header, plain: memoryview, known: InspectionCache
) -> tuple[list[PackageEntry], list[str]]:
    """All entries, and a fault for each disagreement of header and payload."""
    number = main.number(tags.FILEDIGESTALGO)
    algorithm = tags.DIGESTS.get(1 if number is None else number, "")
    held, faults = _held(plain)
    found = []
    for row in rows(main):
        entry, wrong = _joined(row, held.pop(row.path, None), algorithm, known)
        found.append(entry)
        faults += (f"{row.path}: {fault}" for fault in wrong)
    for path, stray in held.items():
        faults.append(f"{path} is in the payload, but not in the header")
        found.append(HeaderFile(path, stray.mode, len(stray.data), *_UNKNOWN).entry())
    return found, faults


def _held(plain: memoryview) -> tuple[dict[str, PayloadFile], list[str]]:
    """The payload by path, and a fault for each name that should not be there."""
    held: dict[str, PayloadFile] = {}
    faults: list[str] = []
    members = list(cpio.members(plain))
    whole = {m.file: m for m in members if m.links > 1 and m.data}
    for member in members:
        path = absolute_path(member.name)
        faults += member_name_faults(member.name, path in held)
        bearer = whole.get(member.file, member)
        shared = "" if bearer is member else absolute_path(bearer.name)
        held[path] = PayloadFile(member.mode, bearer.data, shared)
    return held, faults


def _joined(
    row: HeaderFile, held: PayloadFile | None, algorithm: str, known: InspectionCache
) -> tuple[PackageEntry, list[str]]:
    """One entry with what the payload has for it, and where that is not what the header says."""
    entry = row.entry()
    if held is None:
        missing = [] if "ghost" in entry.flags else ["in the header, but not in the payload"]
        return entry, missing
    faults = [*_differences(row, entry.kind, held)]
    if entry.kind is not FileType.FILE:
        return entry, faults
    seen = inspect_file(held.data, known, algorithm or "sha256")
    if not algorithm or seen.digest != row.digest.lower():
        faults.append(f"FILEDIGESTS says {row.digest}, the payload has {seen.digest}")
    kind = FileType.HARDLINK if held.shared else FileType.FILE
    entry = replace(entry, kind=kind, target=held.shared, size=len(held.data))
    entry = replace(entry, sha256=seen.sha256, elf=seen.elf, data=seen.data)
    return entry, [*faults, *seen.faults]


def _differences(row: HeaderFile, kind: FileType, held: PayloadFile) -> Iterator[str]:
    if held.mode != row.mode:
        yield f"mode {row.mode:o} in the header, {held.mode:o} in the payload"
    if kind is FileType.FILE and len(held.data) != row.size:
        yield f"{row.size:,} bytes in the header, {len(held.data):,} in the payload"
    if kind is FileType.SYMLINK:
        target = held.data.tobytes().decode("utf-8", "backslashreplace")
        if target != row.target:
            yield f"its target is {row.target} in the header, {target} in the payload"
