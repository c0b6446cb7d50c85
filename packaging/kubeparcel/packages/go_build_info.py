"""Read the build information that Go's linker writes into a binary."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.model import GoBuildInfo, GoModule

_MAGIC = b"\xff Go buildinf:"
_HEADER = 32
_GUARD = 16
_VARINT_MAX = 10

# The index of the file table's offset in the header of the function table, by the magic number of
# Go 1.20, 1.18 and 1.16 (debug/gosym/pclntab.go). Earlier versions have no such header.
_FILE_TABLE: Mapping[int, int] = {0xFFFFFFF1: 5, 0xFFFFFFF0: 5, 0xFFFFFFFA: 4}


def read(elf: Any) -> GoBuildInfo | None:
    """Return the record of a pyelftools ELFFile; None if Go 1.13 or later did not build it."""
    section = elf.get_section_by_name(".go.buildinfo")
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return None
    record = _section_start(elf, section)
    if not record.startswith(_MAGIC):
        return None
    limits.GO_RECORD.check(section["sh_size"], ".go.buildinfo")
    if len(record) < _HEADER:
        raise MalformedData(".go.buildinfo is truncated")
    if record[15] & 2:  # Go 1.18 and later: two strings after the header, each with its length as a varint
        version, end = _inline_string(record, _HEADER)
        text, _ = _inline_string(record, end)
    else:
        version, text = _strings_by_address(elf, record)
    return _parse(version, text, _build_paths(elf))


def _section_start(elf: Any, section: Any) -> bytes:
    """Return a section up to the limit of the record, as it is in the file: Go does not compress this one."""
    elf.stream.seek(section["sh_offset"])
    return bytes(elf.stream.read(min(section["sh_size"], limits.GO_RECORD.maximum)))


def _inline_string(record: bytes, offset: int) -> tuple[bytes, int]:
    length = 0
    for position, byte in enumerate(record[offset : offset + _VARINT_MAX]):
        length |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            start = offset + position + 1
            return record[start : start + length], start + length
    raise MalformedData("a length in .go.buildinfo is damaged")


def replace_text(path: Path, rewrite: Callable[[str], str]) -> None:
    """Replace the module text in a binary's record by a shorter one; nothing is changed in binaries before Go 1.18."""
    from elftools.elf.elffile import ELFFile  # an unchanged build needs no ELF

    with path.open("r+b") as stream:
        section: Any = ELFFile(stream).get_section_by_name(".go.buildinfo")
        record = _section_start(SimpleNamespace(stream=stream), section) if section else b""
        if len(record) < _HEADER or not record.startswith(_MAGIC) or not record[15] & 2:
            return
        _, start = _inline_string(record, _HEADER)
        text, end = _inline_string(record, start)
        rewritten = text[:_GUARD] + rewrite(text[_GUARD:-_GUARD].decode()).encode() + text[-_GUARD:]
        data = _varint(len(rewritten)) + rewritten
        if start + len(data) <= end:
            stream.seek(section["sh_offset"] + start)
            stream.write(data)


def _varint(value: int) -> bytes:
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def _strings_by_address(elf: Any, record: bytes) -> tuple[bytes, bytes]:
    """Before Go 1.18: two addresses of string headers, each an address and a length."""
    size = record[14]
    word = struct.Struct((">" if record[15] & 1 else "<") + ("Q" if size == 8 else "I"))

    def string(offset: int) -> bytes:
        (header,) = word.unpack_from(record, offset)
        (address,), (length,) = word.iter_unpack(_memory(elf, header, 2 * word.size))
        return _memory(elf, address, length)

    return string(16), string(16 + word.size)


def _memory(elf: Any, address: int, length: int) -> bytes:
    """Return the data at an address of the loaded program."""
    limits.GO_RECORD.check(length, "the record of Go")
    for offset in elf.address_offsets(address, length):
        elf.stream.seek(offset)
        return bytes(elf.stream.read(length))
    return b""


def _parse(version: bytes, text: bytes, paths: tuple[str, ...] | None) -> GoBuildInfo:
    """Parse the module text, which the linker puts between two markers of 16 bytes."""
    lines = text[_GUARD:-_GUARD].decode("utf-8", "backslashreplace").splitlines()
    path, module = "", GoModule("")
    dependencies: list[GoModule] = []
    settings: dict[str, str] = {}
    for keyword, _, rest in (line.partition("\t") for line in lines):
        match keyword:
            case "path":
                path = rest
            case "mod":
                module = _module(rest)
            case "dep":
                dependencies.append(_module(rest))
            case "=>" if dependencies:
                dependencies[-1] = replace(_module(rest), replaced=dependencies[-1].path)
            case "build":
                name, _, value = rest.partition("=")
                settings[name] = value
    go = version.decode("utf-8", "backslashreplace")
    return GoBuildInfo(go, path, module, tuple(dependencies), settings, paths)


def _module(text: str) -> GoModule:
    return GoModule(*text.split("\t")[:3])


def _build_paths(elf: Any) -> tuple[str, ...] | None:
    """Return the absolute paths in the table of source files, which tracebacks use."""
    table = _names_table(elf, 0, limits.GO_FILE_TABLE)
    if table is None:
        return None
    return tuple(sorted({f.decode("utf-8", "backslashreplace") for f in table.split(b"\0") if f[:1] == b"/"}))


def function_names(elf: Any) -> frozenset[str] | None:
    """Return the names of all functions in a binary, inlined ones too, which tracebacks use; None if unknown.

    They are as in the symbol table: `net/http.(*Server).Serve`, with `%2e` for a dot in the last part of a path.
    """
    table = _names_table(elf, -2, limits.ELF_READS)
    return None if table is None else frozenset(table.decode("utf-8", "backslashreplace").split("\0"))


def _names_table(elf: Any, distance: int, limit: limits.Limit) -> bytes | None:
    """Return a table of names that end with a zero, by its distance in the header from the file table's; None if none.

    The file table follows two others: that of functions, and one of numbers.
    """
    names = (".gopclntab", ".data.rel.ro.gopclntab")
    section = next((s for name in names if (s := elf.get_section_by_name(name))), None)
    if section is None:
        return None
    start, stream = section["sh_offset"], elf.stream
    stream.seek(start)
    head = stream.read(8 + 8 * 8)
    order = "<" if elf.little_endian else ">"
    (magic,) = struct.unpack_from(order + "I", head)
    index = _FILE_TABLE.get(magic)
    if index is None:
        return None
    offsets = struct.unpack_from(f"{order}8{'Q' if head[7] == 8 else 'I'}", head, 8)
    begin, end = offsets[index + distance], min(offsets[index + distance + 1], section["sh_size"])
    stream.seek(start + begin)
    limit.check(end - begin, ".gopclntab")
    return bytes(stream.read(max(0, end - begin)))
