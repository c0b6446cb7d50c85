"""Parse the headers that an rpm begins with: tables of tagged values (rpm, docs/manual/format.md).

An rpm is a lead, a signature header, a main header and the payload. All of publishing reads the
headers alone, so this module stays fast and imports little.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from kubeparcel.packages import limits
from kubeparcel.packages.digest import HEAD_SIZE
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.rpm import tags

MAGIC = b"\xed\xab\xee\xdb"
HEADER_MAGIC = b"\x8e\xad\xe8\x01"
LEAD_SIZE = 96
_INTRO_SIZE = 16
_MAIN_HEADER_HINT = 1 << 20
_INDEX_ENTRY = struct.Struct(">IIII")
_COUNTS = struct.Struct(">8xII")
_NUMBERS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "Q"}
_TEXTS = frozenset((6, 8, 9))
_BINARY = 7


class Header(NamedTuple):
    """Values by tag; a missing tag has no values, one of another type or count is malformed.

    `start` and `end` are the header's position in the file. `entries` have tag, type, offset in
    `store`, and number of values. It is a tuple because a publish may create 20,000 of them.
    """

    start: int
    end: int
    entries: Mapping[int, tuple[int, int, int, int]]
    store: bytes

    def has(self, tag: int) -> bool:
        return tag in self.entries

    def texts(self, tag: int) -> tuple[str, ...]:
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        _, kind, offset, count = entry
        if count == 1:
            return (self.text(tag),)
        if kind not in _TEXTS:
            raise _wrong_type(tag, kind, "text")
        limits.HEADER_VALUES.check(count, f"tag {tag} of its header")
        values = self.store[offset:].split(b"\0", count)[:-1]
        if len(values) != count:
            raise MalformedData(f"tag {tag} of its header is damaged")
        return tuple(str(value, "utf-8", "replace") for value in values)

    def text(self, tag: int) -> str:
        """Return the first string of a tag (the untranslated one), or an empty string."""
        entry = self.entries.get(tag)
        if entry is None or not entry[3]:
            return ""
        _, kind, offset, _ = entry
        if kind not in _TEXTS:
            raise _wrong_type(tag, kind, "text")
        end = self.store.find(b"\0", offset)
        if end < 0:
            raise MalformedData(f"tag {tag} of its header is damaged")
        if end - offset > limits.HEADER_TEXT.maximum:
            limits.HEADER_TEXT.check(end - offset, f"tag {tag} of its header")
        return str(self.store[offset:end], "utf-8", "replace")

    def numbers(self, tag: int) -> tuple[int, ...]:
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        _, kind, offset, count = entry
        if kind not in _NUMBERS:
            raise _wrong_type(tag, kind, "numbers")
        if count > 1:
            limits.HEADER_VALUES.check(count, f"tag {tag} of its header")
        try:
            return struct.unpack_from(f">{count}{_NUMBERS[kind]}", self.store, offset)
        except struct.error:
            raise MalformedData(f"tag {tag} of its header is damaged") from None

    def number(self, *alternatives: int) -> int | None:
        """Return the first integer of the first of these tags that is present."""
        for tag in alternatives:
            values = self.numbers(tag)
            if values:
                return values[0]
        return None

    def binary(self, tag: int) -> bytes:
        entry = self.entries.get(tag)
        if entry is None:
            return b""
        _, kind, offset, count = entry
        if kind != _BINARY:
            raise _wrong_type(tag, kind, "bytes")
        if offset + count > len(self.store):
            raise MalformedData(f"tag {tag} of its header is damaged")
        return self.store[offset : offset + count]


def rows(tag: int, *columns: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Return the rows of lists that belong together; raise MalformedData, naming the first tag, if lengths differ."""
    if len(set(map(len, columns))) > 1:
        lengths = ", ".join(str(len(column)) for column in columns)
        raise MalformedData(f"tag {tag} of its header and the lists with it have different lengths ({lengths})")
    return zip(*columns, strict=True)


def _wrong_type(tag: int, kind: int, expected: str) -> MalformedData:
    return MalformedData(f"tag {tag} of its header has the type {kind}, expected {expected}")


class Headers(NamedTuple):
    """The signature header and the main header of an rpm."""

    signature: Header
    main: Header

    @property
    def signed(self) -> bool:
        """Return whether there is any signature; it is not verified."""
        return any(map(self.signature.has, tags.SIGNATURES.values()))


def head_length(head: bytes) -> int:
    """Return how many bytes the lead and both headers take, or must be read to know. Raises MalformedData."""
    if not head.startswith(MAGIC):
        raise MalformedData("it is not an rpm")
    start, size = _extent(head, LEAD_SIZE)
    main_start = _aligned(start + size)
    if main_start + _INTRO_SIZE > len(head):
        return main_start + _MAIN_HEADER_HINT
    start, size = _extent(head, main_start)
    return start + size


def read_head(file: BinaryIO) -> bytes:
    """Return the lead and both headers from the start of a file, or what it has of them; raise MalformedData."""
    head = file.read(HEAD_SIZE)
    while (more := head_length(head) - len(head)) > 0 and (block := file.read(more)):
        head += block
    return head


def read_headers(data: bytes | memoryview, size: int) -> Headers:
    """Return both headers from the first bytes of an rpm of `size` bytes; raise MalformedData."""
    signature = _read_header(data, LEAD_SIZE)
    main = _read_header(data, _aligned(signature.end))
    declared = signature.number(tags.SIG_SIZE, tags.SIG_LONGSIZE) or 0
    missing = main.start + declared - size
    if declared and missing > 0:
        raise MalformedData(f"it is truncated: {missing:,} bytes are missing")
    if main.end >= size:
        raise MalformedData("it is truncated: the payload is missing")
    return Headers(signature, main)


def _read_header(data: bytes | memoryview, start: int) -> Header:
    store_start, size = _extent(data, start)
    end = store_start + size
    if end > len(data):
        raise MalformedData("it is truncated in its header")
    index = _INDEX_ENTRY.iter_unpack(data[start + _INTRO_SIZE : store_start])
    entries = {entry[0]: entry for entry in index}
    return Header(start, end, entries, bytes(data[store_start:end]))


def _extent(data: bytes | memoryview, start: int) -> tuple[int, int]:
    """Return where the store of the header at `start` begins, and its size."""
    if start + _INTRO_SIZE > len(data):
        raise MalformedData("it is truncated in its header")
    if data[start : start + len(HEADER_MAGIC)] != HEADER_MAGIC:
        raise MalformedData(f"it is not an rpm, or damaged: no header at byte {start:,}")
    count, size = _COUNTS.unpack_from(data, start)
    limits.HEADER_ROWS.check(count, "its header")
    limits.HEADER_SIZE.check(start + size, "its headers")
    return start + _INTRO_SIZE + count * _INDEX_ENTRY.size, size


def _aligned(offset: int) -> int:
    return -(-offset // 8) * 8
