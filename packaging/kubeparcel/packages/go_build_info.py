"""Read the build information that Go's linker writes into a binary."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from kubeparcel.packages.model import GoBuildInfo, GoModule

_MAGIC = b"\xff Go buildinf:"
_HEADER = 32
_GUARD = 16

# The index of the file table's offset in the header of the function table, by the magic number of
# Go 1.20, 1.18 and 1.16 (debug/gosym/pclntab.go). Earlier versions have no such header.
_FILE_TABLE: Mapping[int, int] = {0xFFFFFFF1: 5, 0xFFFFFFF0: 5, 0xFFFFFFFA: 4}


def read(elf: Any) -> GoBuildInfo | None:
    """Return the record of a pyelftools ELFFile; None if Go 1.13 or later did not build it."""
    section = elf.get_section_by_name(".go.buildinfo")
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return None
    record: bytes = section.data()
    if not record.startswith(_MAGIC):
        return None
    inline = record[15] & 2
    version, text = _inline(record) if inline else _pointed(elf, record)
    return _parse(version, text, build_paths(elf))


def _inline(record: bytes) -> tuple[bytes, bytes]:
    """Go 1.18 and later: two strings after the header, each with its length as a varint."""
    version, at = _counted(record, _HEADER)
    text, _ = _counted(record, at)
    return version, text


def _counted(record: bytes, at: int) -> tuple[bytes, int]:
    length = shift = 0
    while True:
        byte = record[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return record[at : at + length], at + length


def _pointed(elf: Any, record: bytes) -> tuple[bytes, bytes]:
    """Before Go 1.18: two addresses of string headers, each an address and a length."""
    size = record[14]
    word = struct.Struct((">" if record[15] & 1 else "<") + ("Q" if size == 8 else "I"))

    def string(at: int) -> bytes:
        (header,) = word.unpack_from(record, at)
        address, length = word.iter_unpack(_memory(elf, header, 2 * word.size))
        return _memory(elf, address[0], length[0])

    return string(16), string(16 + word.size)


def _memory(elf: Any, address: int, length: int) -> bytes:
    """Return the data at an address of the loaded program."""
    for offset in elf.address_offsets(address, length):
        elf.stream.seek(offset)
        found: bytes = elf.stream.read(length)
        return found
    return b""


def _parse(version: bytes, text: bytes, paths: tuple[str, ...] | None) -> GoBuildInfo:
    """Parse the module text, which the linker puts between two markers of 16 bytes."""
    lines = text[_GUARD:-_GUARD].decode("utf-8", "backslashreplace").splitlines()
    path, module = "", GoModule("")
    dependencies: list[GoModule] = []
    settings: dict[str, str] = {}
    for word, _, rest in (line.partition("\t") for line in lines):
        match word:
            case "path":
                path = rest
            case "mod":
                module = _module(rest)
            case "dep":
                dependencies.append(_module(rest))
            case "=>" if dependencies:
                dependencies[-1] = _module(rest)
            case "build":
                name, _, value = rest.partition("=")
                settings[name] = value
    go = version.decode("utf-8", "backslashreplace")
    return GoBuildInfo(go, path, module, tuple(dependencies), settings, paths)


def _module(text: str) -> GoModule:
    return GoModule(*text.split("\t")[:3])


def build_paths(elf: Any) -> tuple[str, ...] | None:
    """Return the absolute paths in the table of source files, which tracebacks use."""
    names = (".gopclntab", ".data.rel.ro.gopclntab")
    section = next((s for name in names if (s := elf.get_section_by_name(name))), None)
    if section is None:
        return None
    start, stream = section["sh_offset"], elf.stream
    stream.seek(start)
    head = stream.read(8 + 8 * 8)
    order = "<" if elf.little_endian else ">"
    (magic,) = struct.unpack_from(order + "I", head)
    if magic not in _FILE_TABLE:
        return None
    size = head[7]
    words = struct.unpack_from(f"{order}8{'Q' if size == 8 else 'I'}", head, 8)
    first = _FILE_TABLE[magic]
    begin, end = words[first], min(words[first + 1], section["sh_size"])
    stream.seek(start + begin)
    files = stream.read(max(0, end - begin)).split(b"\0")
    return tuple(sorted({f.decode("utf-8", "backslashreplace") for f in files if f[:1] == b"/"}))
