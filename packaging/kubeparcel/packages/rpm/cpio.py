"""Parse the payload of rpms: cpio archives in the `newc` format (cpio(5))."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.member_names import NameBudget
from kubeparcel.packages.payload_stream import PayloadStream

_HEADER = 110
_END = "TRAILER!!!"


@dataclass(frozen=True)
class CpioMember:
    """A member of `size` bytes in the stream; those with one `file` are hard links, of which the last has the data."""

    name: str
    mode: int
    file: tuple[int, int, int]
    links: int
    size: int


def members(stream: PayloadStream) -> Iterator[CpioMember]:
    """Yield the members in order; raise MalformedData if the archive is damaged or truncated.

    The bytes of a member are next in the stream until the next member is requested.
    """
    budget = NameBudget("its payload")
    while True:
        offset = stream.position
        fields = _fields(stream.read(_HEADER), offset)
        inode, mode, _, _, links, _, size, major, minor, _, _, name_size, _ = fields
        limits.PATH.check(name_size - 1, "the name of a member")
        padded = _aligned(_HEADER + name_size + offset) - offset - _HEADER
        encoded = stream.read(padded)
        if len(encoded) < padded:
            raise MalformedData("its payload is truncated")
        name = str(encoded[:name_size], "utf-8", "replace").rstrip("\0")
        if name == _END:
            return
        budget.spend(name)
        end = stream.position + size
        yield CpioMember(name, mode, (major, minor, inode), links, size)
        stream.skip_to(_aligned(end), name[:100])


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
