"""The cpio archives that are the payload of rpms: the `newc` format of cpio(5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kubeparcel.packages.errors import MalformedData

_HEADER = 110
_END = "TRAILER!!!"


@dataclass(frozen=True)
class CpioMember:
    """One member; those of the same `file` are hard links, whose bytes are with the last one."""

    name: str
    mode: int
    file: tuple[int, int, int]
    links: int
    data: memoryview


def members(view: memoryview) -> Iterator[CpioMember]:
    """The members in their order; raises Malformed when the archive is damaged or cut short."""
    at = 0
    while True:
        fields = _fields(view[at : at + _HEADER].tobytes(), at)
        inode, mode, _, _, links, _, size, major, minor, _, _, name_size, _ = fields
        start = at + _HEADER
        name = view[start : start + name_size].tobytes().rstrip(b"\0")
        data = -(-(start + name_size) // 4) * 4
        if data + size > len(view):
            raise MalformedData("the payload is cut short")
        text = name.decode("utf-8", "replace")
        if text == _END:
            return
        yield CpioMember(text, mode, (major, minor, inode), links, view[data : data + size])
        at = -(-(data + size) // 4) * 4


def _fields(header: bytes, at: int) -> tuple[int, ...]:
    if len(header) < _HEADER:
        raise MalformedData("the payload is cut short")
    if header[:6] not in (b"070701", b"070702"):
        raise MalformedData(f"the payload is not a cpio archive at byte {at:,}")
    try:
        return struct.unpack(">13I", bytes.fromhex(header[6:].decode("ascii")))
    except (ValueError, struct.error):
        raise MalformedData(f"the payload is damaged at byte {at:,}") from None
