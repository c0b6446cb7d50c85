"""Writes the debug symbols of a program to a file of their own, as `objcopy --only-keep-debug` does.

Go's linker writes the same code and data at the same addresses with and without symbols, so that a second, unstripped
link has the symbols of the first, whose bytes they do not change. Debuggers find the file by the build ID in the note
.note.gnu.build-id, which is the stripped program's. Format: elf(5); all architectures have 64 bits.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path

from kubeparcel.errors import ExternalError

SHT_NOTE, SHT_NOBITS = 7, 8
SHF_ALLOC = 2
PT_LOAD, PT_NOTE = 1, 4
_SECTION, _SEGMENT = "IIQQQQIIQQ", "IIQQQQQQ"
_HEADER_SIZE = 64


@dataclass(frozen=True)
class _Section:
    """A row of the section table, with the name and the data of its section."""

    title: str
    data: bytes
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int

    @property
    def loaded(self) -> bool:
        return bool(self.flags & SHF_ALLOC)

    @property
    def row(self) -> tuple[int, ...]:
        return (self.name, self.type, self.flags, self.address, self.offset, self.size, *self._rest)

    @property
    def _rest(self) -> tuple[int, ...]:
        return (self.link, self.info, self.alignment, self.entry_size)


def write_debug_file(stripped: Path, unstripped: Path, target: Path) -> None:
    """Write the symbols in `unstripped` for the program `stripped`; raise ExternalError if they do not belong to it."""
    program = {section.title: section for section in _sections(stripped.read_bytes())}
    data = unstripped.read_bytes()
    order = _order(data)
    sections, places = [], {}
    position = _HEADER_SIZE + _segments_size(data)
    body = bytearray(data[:position])
    for section in _sections(data):
        if section.loaded:
            _require_equal(section, program.get(section.title), stripped.name)
        kept = b"" if section.loaded and section.type != SHT_NOTE else section.data
        kept = program[section.title].data if section.loaded and kept else kept
        position += -position % max(section.alignment, 1)
        kind = SHT_NOBITS if section.loaded and section.type not in (SHT_NOTE, 0) else section.type
        sections.append(replace(section, type=kind, offset=position if section.type else 0))
        places[section.address] = position
        body += bytes(position - len(body)) + kept
        position += len(kept)
    position += -position % 8
    body += bytes(position - len(body))
    body += b"".join(struct.pack(order + _SECTION, *section.row) for section in sections)
    struct.pack_into(order + "Q", body, 0x28, position)
    _place_segments(body, order, places)
    target.write_bytes(body)


def build_id(program: Path) -> str:
    """Return the build ID of a program in hexadecimal, by which debuggers find its symbols; empty without one."""
    data = program.read_bytes()
    note = next((section.data for section in _sections(data) if section.title == ".note.gnu.build-id"), b"")
    return note[16:].hex()


def _order(data: bytes) -> str:
    if data[:5] != b"\x7fELF\x02":
        raise ExternalError("go build did not write a 64-bit ELF program, so that it has no debug symbols.")
    return "<" if data[5] == 1 else ">"


def _sections(data: bytes) -> list[_Section]:
    order = _order(data)
    (offset,) = struct.unpack_from(order + "Q", data, 0x28)
    size, count, names = struct.unpack_from(order + "HHH", data, 0x3A)
    rows = [struct.unpack_from(order + _SECTION, data, offset + index * size) for index in range(count)]
    table = rows[names][4]
    sections = []
    for row in rows:
        title = data[table + row[0] : data.index(b"\0", table + row[0])].decode("ascii", "replace")
        content = b"" if row[1] in (0, SHT_NOBITS) else data[row[4] : row[4] + row[5]]
        sections.append(_Section(title, content, *row))
    return sections


def _segments_size(data: bytes) -> int:
    size, count = struct.unpack_from(_order(data) + "HH", data, 0x36)
    return int(size * count)


def _require_equal(section: _Section, other: _Section | None, name: str) -> None:
    """Raise ExternalError unless a loaded section is that of the program; notes name the link, and differ."""
    place = (section.address, section.size, section.type)
    same = other is not None and (other.address, other.size, other.type) == place
    if not same or (section.type != SHT_NOTE and other and other.data != section.data):
        raise ExternalError(
            f"{name}: the linker wrote another {section.title} with debug symbols than without them.",
            "Remove go.debug from kubeparcel.yaml, or build with another version of Go.",
        )


def _place_segments(body: bytearray, order: str, places: dict[int, int]) -> None:
    """Let the segments have no data in the file, except notes and the tables at its start."""
    size, count = struct.unpack_from(order + "HH", body, 0x36)
    tables = _HEADER_SIZE + size * count
    for index in range(count):
        start = _HEADER_SIZE + index * size
        kind, flags, offset, address, physical, length, memory, alignment = struct.unpack_from(
            order + _SEGMENT, body, start
        )
        if kind == PT_NOTE and address in places:
            values = (places[address], length)
        else:
            values = (offset, length if offset + length <= tables else tables if kind == PT_LOAD and not offset else 0)
        struct.pack_into(
            order + _SEGMENT, body, start, kind, flags, values[0], address, physical, values[1], memory, alignment
        )
