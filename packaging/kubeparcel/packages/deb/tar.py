"""The tar archives inside debs: their members, without unpacking anything to disk."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.memory_file import MemoryViewFile
from kubeparcel.packages.model import FileType

_ERRORS = "backslashreplace"
_KINDS: Mapping[bytes, FileType] = {
    tarfile.REGTYPE: FileType.FILE,
    tarfile.AREGTYPE: FileType.FILE,
    tarfile.DIRTYPE: FileType.DIR,
    tarfile.SYMTYPE: FileType.SYMLINK,
    tarfile.LNKTYPE: FileType.HARDLINK,
    tarfile.CHRTYPE: FileType.CHARACTER_DEVICE,
    tarfile.BLKTYPE: FileType.BLOCK_DEVICE,
    tarfile.FIFOTYPE: FileType.FIFO,
}


@dataclass(frozen=True)
class TarMember:
    """One member; `owner` and `group` are names, or numbers where there is no name."""

    name: str
    kind: FileType
    mode: int
    owner: str
    group: str
    mtime: int
    target: str
    data: memoryview


def members(view: memoryview, what: str) -> Iterator[TarMember]:
    """The members in their order; raises Malformed, naming `what`, when it is no whole archive."""
    try:
        with (
            MemoryViewFile(view) as file,
            tarfile.open(fileobj=file, mode="r:", errors=_ERRORS) as archive,
        ):
            for row in archive:
                data = view[row.offset_data : row.offset_data + (row.size if row.isreg() else 0)]
                if row.size < 0 or (row.isreg() and len(data) < row.size):
                    raise MalformedData(f"{what} is cut short in {row.name}")
                yield _member(row, data)
            _check_end(view, archive.offset, what)
    except (tarfile.TarError, OverflowError) as error:
        raise MalformedData(f"{what} is not a whole tar archive ({error})") from None


def _member(row: tarfile.TarInfo, data: memoryview) -> TarMember:
    return TarMember(
        name=row.name,
        kind=FileType.OTHER if row.issparse() else _KINDS.get(row.type, FileType.OTHER),
        mode=row.mode & 0o7777,
        owner=row.uname or str(row.uid),
        group=row.gname or str(row.gid),
        mtime=int(row.mtime),
        target=row.linkname,
        data=data,
    )


def _check_end(view: memoryview, at: int, what: str) -> None:
    """An archive ends with blocks of zeros; the library also stops where a header is damaged."""
    rest = view[at:]
    if len(rest) < tarfile.BLOCKSIZE:
        raise MalformedData(f"{what} is cut short at its end")
    if rest.tobytes().strip(b"\0"):
        raise MalformedData(f"{what} is damaged at byte {at:,}")
