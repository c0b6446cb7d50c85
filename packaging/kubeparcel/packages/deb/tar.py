"""Parse the tar archives in debs, without unpacking anything to disk."""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kubeparcel.packages import limits
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


_EXTENDED_HEADERS = frozenset(
    (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
)

# What the library raises for damaged archives; headers of headers make it recurse.
_DAMAGE = (tarfile.TarError, ValueError, LookupError, ArithmeticError, TypeError, AttributeError, RecursionError)


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


class _BoundedTarInfo(tarfile.TarInfo):
    """A header whose long names and PAX records are not read above the limit."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0:
            raise MalformedData(f"{self.name[:100]!r} has a negative size")
        if self.type in _EXTENDED_HEADERS:
            limits.EXTENDED_HEADER.check(self.size, "a member")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def members(view: memoryview, archive_name: str) -> Iterator[TarMember]:
    """Yield the members in order; raise MalformedData, naming the archive, if incomplete."""
    try:
        with (
            MemoryViewFile(view) as file,
            tarfile.open(fileobj=file, mode="r:", errors="backslashreplace", tarinfo=_BoundedTarInfo) as archive,
        ):
            for count in itertools.count(1):
                info = _next(archive)
                if info is None:
                    break
                limits.MEMBERS.check(count, archive_name)
                size = info.size if info.isreg() else 0
                data = view[info.offset_data : info.offset_data + size]
                yield _member(info, data, size, archive_name)
            _check_end(view, archive.offset, archive_name)
    except MalformedData:
        raise
    except _DAMAGE as error:
        raise MalformedData(f"{archive_name} is not a valid tar archive ({error})") from None


def _next(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    """Return the next member, of which the library keeps no list."""
    info = archive.next()
    archive.members.clear()  # type: ignore[attr-defined]
    return info


def _member(info: tarfile.TarInfo, data: memoryview, size: int, archive_name: str) -> TarMember:
    if info.size < 0 or len(data) < size:
        raise MalformedData(f"{archive_name} is truncated in {info.name[:100]}")
    limits.PATH.check(max(len(info.name), len(info.linkname)), "a path or link")
    return TarMember(
        name=info.name,
        kind=FileType.OTHER if info.issparse() else _KINDS.get(info.type, FileType.OTHER),
        mode=info.mode & 0o7777,
        owner=info.uname or str(info.uid),
        group=info.gname or str(info.gid),
        mtime=int(info.mtime),  # of a PAX header, it may be any number, or none
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
