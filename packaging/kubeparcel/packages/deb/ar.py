"""The ar archives that debs are (deb(5), ar(5))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubeparcel.packages.errors import MalformedData

MAGIC = b"!<arch>\n"
_HEADER = 60


@dataclass(frozen=True)
class ArMember:
    """One member: its name, its time in seconds since 1970, its bytes."""

    name: str
    mtime: int
    data: memoryview


def members(view: memoryview) -> Iterator[ArMember]:
    """The members in their order; raises Malformed when the archive is damaged or cut short."""
    at = len(MAGIC)
    while at < len(view):
        header = view[at : at + _HEADER].tobytes()
        at += _HEADER
        if len(header) < _HEADER:
            raise MalformedData("the archive is cut short")
        if header[58:] != b"`\n":
            raise MalformedData(f"the archive is damaged at byte {at - _HEADER:,}")
        size = _number(header[48:58])
        if at + size > len(view):
            raise MalformedData(
                f"the archive is cut short: {at + size - len(view):,} bytes are missing"
            )
        name = header[:16].decode("ascii", "backslashreplace").rstrip().removesuffix("/")
        yield ArMember(name, _number(header[16:28]), view[at : at + size])
        at += size + size % 2


def _number(field: bytes) -> int:
    text = field.strip()
    if not text.isdigit():
        raise MalformedData(f"the archive is damaged: {field!r} is not a number")
    return int(text)
