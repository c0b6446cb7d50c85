"""The headers that an rpm begins with: tables of tagged values (rpm, docs/manual/format.md)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from kubeparcel.packages.errors import MalformedData

MAGIC = b"\xed\xab\xee\xdb"
LEAD = 96
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_INTRO = 16
_ROW = struct.Struct(">IIII")
_NUMBERS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "Q"}
_BINARY = 7
_TEXTS = (6, 8, 9)


@dataclass(frozen=True)
class Header:
    """Values by tag; a tag that is not there gives nothing.

    `raw` are the header's own bytes, which its digests cover.
    """

    raw: memoryview
    rows: Mapping[int, tuple[int, int, int]]
    store: memoryview

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The integers of a tag."""
        kind, offset, count = self.rows.get(tag, (0, 0, 0))
        if kind not in _NUMBERS:
            return ()
        return struct.unpack_from(f">{count}{_NUMBERS[kind]}", self.store, offset)

    def number(self, *tags: int) -> int | None:
        """The first integer of the first of these tags that is there."""
        return next((found[0] for tag in tags if (found := self.numbers(tag))), None)

    def texts(self, tag: int) -> tuple[str, ...]:
        """The strings of a tag."""
        kind, offset, count = self.rows.get(tag, (0, 0, 0))
        if kind not in _TEXTS:
            return ()
        found = self.store[offset:].tobytes().split(b"\0", count)[:count]
        if len(found) < count:
            raise MalformedData(f"the header's tag {tag} is damaged")
        return tuple(text.decode("utf-8", "backslashreplace") for text in found)

    def text(self, tag: int) -> str:
        """The first string of a tag: of a text in several languages, the untranslated one."""
        return next(iter(self.texts(tag)), "")

    def binary(self, tag: int) -> bytes:
        """The bytes of a tag."""
        kind, offset, count = self.rows.get(tag, (0, 0, 0))
        return self.store[offset : offset + count].tobytes() if kind == _BINARY else b""


def read(view: memoryview, at: int) -> Header:
    """The header that begins at that byte; raises Malformed when it is damaged or cut short."""
    intro = view[at : at + _INTRO].tobytes()
    if len(intro) < _INTRO:
        raise MalformedData("the package is cut short in its header")
    if not intro.startswith(_HEADER_MAGIC):
        raise MalformedData(f"there is no rpm header at byte {at:,}")
    count, size = struct.unpack(">II", intro[8:])
    start = at + _INTRO + count * _ROW.size
    if start + size > len(view):
        raise MalformedData("the package is cut short in its header")
    table = _ROW.iter_unpack(view[at + _INTRO : start])
    rows = {tag: (kind, offset, number) for tag, kind, offset, number in table}
    return Header(view[at : start + size], rows, view[start : start + size])
