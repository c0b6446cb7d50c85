"""Parse the payload of rpms: cpio archives in the `newc` format (cpio(5))."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData

_HEADER = 110
_END = "TRAILER!!!"


@dataclass(frozen=True)
class CpioMember:
    """A member; members with the same `file` are hard links, and the last one has the data."""

    name: str
    mode: int
    file: tuple[int, int, int]
    links: int
    data: memoryview


def members(view: memoryview) -> Iterator[CpioMember]:
    """Yield the members in order; raise MalformedData if the archive is damaged or truncated."""
    offset = 0
    for count in itertools.count():
        limits.MEMBERS.check(count, "its payload")
        fields = _fields(view[offset : offset + _HEADER].tobytes(), offset)
        inode, mode, _, _, links, _, size, major, minor, _, _, name_size, _ = fields
        limits.PATH.check(name_size - 1, "the name of a member")
        name_end = offset + _HEADER + name_size
        start = _aligned(name_end)
        end = start + size
        if end > len(view):
            raise MalformedData("its payload is truncated")
        name = str(view[offset + _HEADER : name_end], "utf-8", "replace").rstrip("\0")
        if name == _END:
            return
        yield CpioMember(name, mode, (major, minor, inode), links, view[start:end])
        offset = _aligned(end)


def _aligned(offset: int) -> int:
    return -(-offset // 4) * 4


def _fields(header: bytes, offset: int) -> tuple[int, ...]:
    if len(header) < _HEADER:
        raise MalformedData("its payload is truncated")
    if header[:6] not in (b"070701", b"070702"):
        raise MalformedData(f"its payload is not a cpio archive at byte {offset:,}")
    try:
        return struct.unpack(">13I", bytes.fromhex(header[6:].decode("ascii")))
    except (ValueError, struct.error):
        raise MalformedData(f"its payload is damaged at byte {offset:,}") from None
