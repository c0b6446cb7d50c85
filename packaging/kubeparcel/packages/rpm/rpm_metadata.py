"""What a yum index says of an rpm, read from its headers (rpm 4.18, docs/manual/format.md)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.relations import PACKAGE_NAME, RPM_VERSION

MAGIC = b"\xed\xab\xee\xdb"
LEAD = 96
INTRO = 16
HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_ROW = struct.Struct(">IIII")
_EXTENT = struct.Struct(">8xII")
_NUMBERS = {1: "B", 2: "B", 3: "H", 4: "I", 5: "Q"}
_TEXTS = frozenset((6, 8, 9))
# fmt: off
ARCHES = frozenset((
    "noarch", "aarch64", "armv6hl", "armv7hl", "i386", "i486", "i586", "i686", "loongarch64",
    "ppc64", "ppc64le", "riscv64", "s390x", "x86_64",
))
# fmt: on
SIGNATURES = (267, 268, 278, 1002, 1005)  # over the header: DSA, RSA, any; over all: PGP, GPG
_SIZE, _LONG_SIZE = 1000, 270


class Header(NamedTuple):
    """A table of tagged values. `start` and `end` are its bytes in the file.

    A tuple, as there are two of each of maybe ten thousand packages.
    """

    start: int
    end: int
    rows: Mapping[int, tuple[int, ...]]
    store: bytes

    def get(self, tag: int, default: Any = ()) -> Any:
        """All values of a tag: a list of strings or numbers, or bytes."""
        row = self.rows.get(tag)
        if row is None:
            return default
        _, kind, offset, count = row
        if kind in _TEXTS:
            return self._texts(offset, count)
        if kind in _NUMBERS:
            try:
                return struct.unpack_from(f">{count}{_NUMBERS[kind]}", self.store, offset)
            except struct.error:
                raise MalformedData("its header is damaged") from None
        if kind == 7:
            return self.store[offset : offset + count]
        return self._texts(offset, count)

    def _texts(self, offset: int, count: int) -> list[str]:
        if count == 1:
            return [self._text(offset)]
        rows = self.store[offset:].split(b"\0", count)[:-1]
        if len(rows) != count:
            raise MalformedData("its header is damaged")
        return [str(row, "utf-8", "replace") for row in rows]

    def _text(self, offset: int) -> str:
        end = self.store.find(b"\0", offset)
        if end < 0:
            raise MalformedData("its header is damaged")
        return str(self.store[offset:end], "utf-8", "replace")

    def one(self, tag: int, default: Any = "") -> Any:
        """The first value of a tag."""
        row = self.rows.get(tag)
        if row is None:
            return default
        if row[1] in _TEXTS and row[3]:
            return self._text(row[2])
        found = self.get(tag)
        return found[0] if found else default


def _extent(data: bytes, at: int) -> tuple[int, int]:
    if at + INTRO > len(data):
        raise MalformedData("it is cut short in its header")
    if not data.startswith(HEADER_MAGIC, at):
        raise MalformedData("it is no rpm, or damaged")
    count, size = _EXTENT.unpack_from(data, at)
    return at + INTRO + count * _ROW.size, size


def header(data: bytes, at: int) -> Header:
    """The header that begins at that byte; raises Malformed."""
    start, size = _extent(data, at)
    if start + size > len(data):
        raise MalformedData("it is cut short in its header")
    table = data[at + INTRO : start]
    rows = {row[0]: row for row in _ROW.iter_unpack(table)}
    return Header(at, start + size, rows, data[start : start + size])


def head_length(head: bytes) -> int:
    """How many bytes the lead and both headers take; raises Malformed."""
    if not head.startswith(MAGIC):
        raise MalformedData("it is no rpm")
    start, size = _extent(head, LEAD)
    at = -(-(start + size) // 8) * 8
    if at + INTRO > len(head):
        return at + (1 << 20)
    start, size = _extent(head, at)
    return start + size


@dataclass(frozen=True, slots=True)
class Headers:
    """The signature header and the main one."""

    signature: Header
    main: Header

    @property
    def signed(self) -> bool:
        """Whether there is any signature."""
        return any(tag in self.signature.rows for tag in SIGNATURES)


def read_headers(head: bytes, size: int) -> Headers:
    """Both headers, from the rpm's first bytes and its size in bytes; raises Malformed."""
    signature = header(head, LEAD)
    main = header(head, -(-signature.end // 8) * 8)
    declared = signature.one(_SIZE, 0) or signature.one(_LONG_SIZE, 0)
    if declared and main.start + declared > size:
        missing = main.start + declared - size
        raise MalformedData(f"it is cut short: {missing:,} bytes are missing")
    if main.end >= size:
        raise MalformedData("it is cut short: the payload is missing")
    return Headers(signature, main)


def identity(main: Header) -> tuple[str, str, str]:
    """Name, version with release and epoch, architecture; raises Malformed."""
    name, version, release, arch = (main.one(tag) for tag in (1000, 1001, 1002, 1022))
    epoch = main.one(1003, 0)
    if not main.one(1044):
        raise MalformedData("it is a source package")
    if not PACKAGE_NAME.fullmatch(name):
        raise MalformedData(f"its name {name!r} is no name of a package")
    if not RPM_VERSION.fullmatch(version) or not RPM_VERSION.fullmatch(release):
        raise MalformedData(f"its version {version!r}-{release!r} is no version")
    if arch not in ARCHES:
        raise MalformedData(f"its architecture {arch!r} is none that rpm knows")
    return name, f"{epoch}:{version}-{release}" if epoch else f"{version}-{release}", arch


_SENSE = {2: "<", 4: ">", 8: "=", 10: "<=", 12: ">="}


def dependencies(main: Header) -> str:
    """What it requires of other packages, as debs write it; files and rpm's own are left out."""
    return ", ".join(_needs(main))


def _needs(main: Header) -> Iterator[str]:
    names, flags, versions = main.get(1049), main.get(1048), main.get(1050)
    for name, flag, version in zip(names, flags, versions, strict=False):
        if "(" not in name and not name.startswith("/"):
            operator = _SENSE.get(flag & 14)
            yield f"{name} ({operator} {version})" if operator and version else name


def file_name(name: str, version: str, arch: str) -> str:
    """The rpm's name as a file; an epoch is not part of it."""
    return f"{name}-{version.rpartition(':')[2]}.{arch}.rpm"
