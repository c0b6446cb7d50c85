"""Small but valid ELF files: static or dynamic, with Go's own record of how they were built."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

AMD64, ARM64, S390X = 62, 183, 22
_GUARD = b"0123456789abcdef"
_LOADER = b"/lib64/ld-linux-x86-64.so.2\0"
_HEADER_SIZE, _SEGMENT_HEADER_SIZE, _SECTION_HEADER_SIZE = 64, 56, 64

# Types in the headers (elf(5)): PT_INTERP, PT_DYNAMIC, SHT_STRTAB and SHT_DYNAMIC.
_SEGMENT_TYPES = {".interp": 3, ".dynamic": 2}
_SECTION_TYPES = {".shstrtab": 3, ".dynstr": 3, ".dynamic": 6}


@dataclass(frozen=True)
class Go:
    """What Go records: its own version, the main module (without a sum if it is patched), settings, source files."""

    module: str = "k8s.io/kubernetes"
    version: str = "v1.36.3"
    toolchain: str = "go1.26.8"
    settings: Mapping[str, str] = field(
        default_factory=lambda: {"-trimpath": "true", "GOARCH": "amd64", "GOOS": "linux"}
    )
    sources: Sequence[str] = ("runtime/proc.go",)
    functions: Sequence[str] = ()
    modules: Mapping[str, str] = field(default_factory=dict)
    sum: str = "h1:x="

    def sections(self) -> dict[str, bytes]:
        """Return the sections with the record."""
        lines = [f"path\t{self.module}/cmd", f"mod\t{self.module}\t{self.version}\t{self.sum}"]
        lines += [f"dep\t{path}\t{version}\th1:x=" for path, version in self.modules.items()]
        lines += [f"build\t{name}={value}" for name, value in self.settings.items()]
        return {
            ".go.buildinfo": go_build_info("".join(f"{line}\n" for line in lines), self.toolchain),
            ".gopclntab": go_function_table(*self.sources, functions=self.functions),
        }


def go_module_text(text: str) -> bytes:
    """Return the module text between its two markers."""
    return _GUARD + text.encode() + _GUARD


def go_build_info(text: str, toolchain: str = "go1.26.8") -> bytes:
    """Return the section .go.buildinfo, as Go 1.18 and later write it."""
    head = b"\xff Go buildinf:" + bytes([8, 2])
    strings = _length_prefixed(toolchain.encode()) + _length_prefixed(go_module_text(text))
    return head.ljust(32, b"\0") + strings


def _length_prefixed(data: bytes) -> bytes:
    length, varint = len(data), b""
    while length >= 0x80:
        varint += bytes([length & 0x7F | 0x80])
        length >>= 7
    return varint + bytes([length]) + data


def go_function_table(*sources: str, functions: Sequence[str] = (), magic: int = 0xFFFFFFF1, order: str = "<") -> bytes:
    """Return the section .gopclntab with nothing but the names of functions and source files."""
    function_names = b"".join(function.encode() + b"\0" for function in functions)
    names = b"".join(source.encode() + b"\0" for source in sources)
    start = 8 + 8 * 8
    files = start + len(function_names)
    offsets = [1, len(sources), 0, start, files, files, files + len(names), start]
    if magic == 0xFFFFFFFA:  # Go 1.16 and 1.17 have no start of the text
        offsets = [*offsets[:2], *offsets[3:], 0]
    return struct.pack(f"{order}IBBBB8Q", magic, 0, 0, 1, 8, *offsets) + function_names + names


def elf(name: str = "", *, machine: int = AMD64, go: Go | None = None, needs: Sequence[str] = ()) -> bytes:
    """Return an ELF file; `name` makes it differ from others, `needs` are its libraries."""
    sections = _dynamic_sections(needs) if needs else {}
    sections[".comment"] = name.encode() + b"\0"
    if go:
        sections |= go.sections()
    return elf_of_sections(sections, machine=machine, big_endian=machine == S390X)


def _dynamic_sections(needs: Sequence[str]) -> dict[str, bytes]:
    """Return the sections of a dynamic program; .dynstr is first, so its address is known."""
    strings = b"\0" + b"".join(need.encode() + b"\0" for need in needs)
    address = _HEADER_SIZE + 3 * _SEGMENT_HEADER_SIZE
    tags = [(1, strings.index(need.encode() + b"\0")) for need in needs]
    tags += [(5, address), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    return {".dynstr": strings, ".interp": _LOADER, ".dynamic": dynamic}


def elf_of_sections(
    sections: Mapping[str, bytes], *, machine: int = AMD64, big_endian: bool = False, base: int = 0
) -> bytes:
    """Return a 64-bit ELF file of these sections, loaded at `base`, file offsets after it."""
    order = ">" if big_endian else "<"
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    segment_count = 1 + len(sections.keys() & _SEGMENT_TYPES.keys())
    start = _HEADER_SIZE + segment_count * _SEGMENT_HEADER_SIZE
    body, section_headers, segment_headers = b"", b"\0" * _SECTION_HEADER_SIZE, b""
    for name, data in {**sections, ".shstrtab": names}.items():
        offset, name_offset = start + len(body), names.index(name.encode() + b"\0")
        place = (base + offset, offset, len(data))
        is_dynamic = name == ".dynamic"
        strings, entry_size = ([*sections].index(".dynstr") + 1, 16) if is_dynamic else (0, 0)
        fields = (name_offset, _SECTION_TYPES.get(name, 1), 2, *place, strings, 0, 8, entry_size)
        section_headers += struct.pack(f"{order}IIQQQQIIQQ", *fields)
        if name in _SEGMENT_TYPES:
            kind, address, size = _SEGMENT_TYPES[name], base + offset, len(data)
            fields = (kind, 4, offset, address, address, size, size, 8)
            segment_headers += struct.pack(f"{order}IIQQQQQQ", *fields)
        body += data + b"\0" * (-len(data) % 8)
    end = start + len(body)
    load = struct.pack(f"{order}IIQQQQQQ", 1, 5, 0, base, base, end, end, 4096)
    ident = b"\x7fELF\x02" + (b"\x02" if big_endian else b"\x01") + b"\x01".ljust(10, b"\0")
    sizes = (_HEADER_SIZE, _SEGMENT_HEADER_SIZE, segment_count, _SECTION_HEADER_SIZE)
    counts = (*sizes, len(sections) + 2, len(sections) + 1)
    head = struct.pack(f"{order}HHIQQQIHHHHHH", 2, machine, 1, 0, _HEADER_SIZE, end, 0, *counts)
    return ident + head + load + segment_headers + body + section_headers


def elf_bytes(size: int = 200_000) -> bytes:
    """Return bytes that only begin as an ELF file does, and cannot be compressed."""
    return b"\x7fELF" + os.urandom(size - 4)
