"""Small but valid ELF files: static or dynamic, with Go's own record of how they were built."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

AMD64, ARM64 = 62, 183
_HEADER, _ROW = 64, 56
_GUARD = b"0123456789abcdef"


@dataclass(frozen=True)
class Go:
    """What Go records: its own version, the main module, settings, the names of source files."""

    module: str = "k8s.io/kubernetes"
    version: str = "v1.36.3"
    toolchain: str = "go1.26.8"
    settings: Mapping[str, str] = field(
        default_factory=lambda: {"-trimpath": "true", "GOARCH": "amd64", "GOOS": "linux"}
    )
    sources: Sequence[str] = ("runtime/proc.go",)

    def record(self) -> bytes:
        """The section .go.buildinfo, as Go 1.18 and later write it."""
        rows = [f"path\t{self.module}/cmd", f"mod\t{self.module}\t{self.version}\th1:x="]
        rows += [f"build\t{name}={value}" for name, value in self.settings.items()]
        text = _GUARD + "".join(f"{row}\n" for row in rows).encode() + _GUARD
        head = b"\xff Go buildinf:" + bytes([8, 2])
        return head.ljust(32, b"\0") + _counted(self.toolchain.encode()) + _counted(text)

    def table(self) -> bytes:
        """The section .gopclntab with nothing but the names of source files."""
        names = b"".join(name.encode() + b"\0" for name in self.sources)
        start = 8 + 8 * 8
        words = (0, len(self.sources), 0, start, start, start, start + len(names), start)
        return struct.pack("<IBBBB8Q", 0xFFFFFFF1, 0, 0, 1, 8, *words) + names


def _counted(data: bytes) -> bytes:
    length, count = len(data), b""
    while length >= 0x80:
        count += bytes([length & 0x7F | 0x80])
        length >>= 7
    return count + bytes([length]) + data


def elf(
    name: str = "", *, machine: int = AMD64, go: Go | None = None, needs: Sequence[str] = ()
) -> bytes:
    """An ELF file; `name` makes it differ from others, `needs` are the libraries it needs."""
    parts: dict[str, bytes] = {".comment": name.encode() + b"\0"}
    if go:
        parts |= {".go.buildinfo": go.record(), ".gopclntab": go.table()}
    segments = 3 if needs else 1
    start = _HEADER + segments * _ROW
    places, body = {}, b""
    loader = b"/lib64/ld-linux-x86-64.so.2\0"
    strings = b"\0" + b"".join(need.encode() + b"\0" for need in needs)
    if needs:
        parts |= {".interp": loader, ".dynstr": strings}
    for part, data in parts.items():
        body += b"\0" * (-len(body) % 8)
        places[part] = start + len(body)
        body += data
    if needs:
        body += b"\0" * (-len(body) % 8)
        places[".dynamic"] = start + len(body)
        tags = [(1, strings.index(need.encode() + b"\0")) for need in needs]
        tags += [(5, places[".dynstr"]), (10, len(strings)), (0, 0)]
        parts[".dynamic"] = b"".join(struct.pack("<QQ", *tag) for tag in tags)
        body += parts[".dynamic"]
    return _with_headers(machine, parts, places, start, body)


def _with_headers(
    machine: int, parts: Mapping[str, bytes], places: Mapping[str, int], start: int, body: bytes
) -> bytes:
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*parts, ".shstrtab"))
    body += b"\0" * (-len(body) % 8)
    names_at, size = start + len(body), start + len(body) + len(names)
    kinds = {".dynamic": 6, ".dynstr": 3}
    order = list(parts)
    table = b"\0" * 64
    for part, data in parts.items():
        row = (names.index(part.encode() + b"\0"), kinds.get(part, 1), 2, places[part])
        link = order.index(".dynstr") + 1 if part == ".dynamic" else 0
        each = 16 if part == ".dynamic" else 0
        table += struct.pack("<IIQQQQIIQQ", *row, places[part], len(data), link, 0, 8, each)
    where = names.index(b".shstrtab\0")
    table += struct.pack("<IIQQQQIIQQ", where, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    segments = [struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)]
    for kind, part in ((3, ".interp"), (2, ".dynamic")):
        if part in places:
            at, length = places[part], len(parts[part])
            segments.append(struct.pack("<IIQQQQQQ", kind, 4, at, at, at, length, length, 8))
    counts = (_HEADER, _ROW, len(segments), 64, len(parts) + 2, len(parts) + 1)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, _HEADER, size, 0, *counts)
    return ident + head + b"".join(segments) + body + names + table


def elf_of_sections(
    sections: Mapping[str, bytes], *, machine: int = 62, big_endian: bool = False, base: int = 0
) -> bytes:
    """A 64-bit ELF file of these sections, loaded at `base`, file offsets after it."""
    order = ">" if big_endian else "<"
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    start = 64 + 56
    body, table = b"", b"\0" * 64
    for name, data in {**sections, ".shstrtab": names}.items():
        kind = 3 if name == ".shstrtab" else 1
        where, at = names.index(name.encode() + b"\0"), start + len(body)
        row = (where, kind, 2, base + at, at, len(data), 0, 0, 1, 0)
        table += struct.pack(f"{order}IIQQQQIIQQ", *row)
        body += data
    size = start + len(body)
    ident = b"\x7fELF\x02" + (b"\x02" if big_endian else b"\x01") + b"\x01".ljust(10, b"\0")
    counts = (64, 56, 1, 64, len(sections) + 2, len(sections) + 1)
    head = struct.pack(f"{order}HHIQQQIHHHHHH", 2, machine, 1, 0, 64, size, 0, *counts)
    load = struct.pack(f"{order}IIQQQQQQ", 1, 4, 0, base, base, size, size, 1)
    return ident + head + load + body + table
