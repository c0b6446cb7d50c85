"""Parse the tar archives in debs, without unpacking anything to disk."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.memory_file import MemoryViewFile
from kubeparcel.packages.model import FileType

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
    """A member; `owner` and `group` are names, or numbers where the archive has no name."""

    name: str
    kind: FileType
    mode: int
    owner: str
    group: str
    mtime: int
    target: str
    data: memoryview


def members(view: memoryview, archive_name: str) -> Iterator[TarMember]:
    """Yield the members in order; raise MalformedData, naming the archive, if incomplete."""
    try:
        with MemoryViewFile(view) as file, tarfile.open(fileobj=file, mode="r:", errors="backslashreplace") as archive:
            for info in archive:
                size = info.size if info.isreg() else 0
                data = view[info.offset_data : info.offset_data + size]
                if info.size < 0 or len(data) < size:
                    raise MalformedData(f"{archive_name} is truncated in {info.name}")
                yield _member(info, data)
            _check_end(view, archive.offset, archive_name)
    except (tarfile.TarError, OverflowError) as error:
        raise MalformedData(f"{archive_name} is not a valid tar archive ({error})") from None


def _member(info: tarfile.TarInfo, data: memoryview) -> TarMember:
    return TarMember(
        name=info.name,
        kind=FileType.OTHER if info.issparse() else _KINDS.get(info.type, FileType.OTHER),
        mode=info.mode & 0o7777,
        owner=info.uname or str(info.uid),
        group=info.gname or str(info.gid),
        mtime=int(info.mtime),
        target=info.linkname,
        data=data,
    )


def _check_end(view: memoryview, offset: int, archive_name: str) -> None:
    """An archive ends with blocks of zeros; tarfile also stops at a damaged header."""
    rest = view[offset:]
    if len(rest) < tarfile.BLOCKSIZE:
        raise MalformedData(f"{archive_name} is truncated at its end")
    if rest.tobytes().strip(b"\0"):
        raise MalformedData(f"{archive_name} is damaged at byte {offset:,}")
