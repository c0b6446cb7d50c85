"""Read ELF binaries: their machine, the libraries they need, how Go built them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.segments import InterpSegment

from kubeparcel.errors import ExternalError
from kubeparcel.packages import go_build_info, limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.model import ElfInfo

MAGIC = b"\x7fELF"

_READ_COST = 64
"""What a read counts in addition to its bytes."""

_MANY = 4096
"""A limit for damaged binaries: no real one needs as many libraries."""


class _MemoryFile(io.RawIOBase):
    """A seekable file over a memory view, which it releases when closed; raises MalformedData above the limit of reads.

    Close it: pyelftools' objects form reference cycles with their file, and would keep the bytes in memory until the
    next garbage collection. Tables of a damaged binary may refer to one another without end: each read costs, also
    an empty one.
    """

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._offset = self._spent = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        end = None if size is None or size < 0 else self._offset + size
        data = self._view[self._offset : end].tobytes()
        self._offset += len(data)
        self._spent += len(data) + _READ_COST
        limits.ELF_READS.check(self._spent, "it")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: len(self._view)}[whence]
        self._offset = max(0, start + offset)
        return self._offset

    def tell(self) -> int:
        return self._offset

    def close(self) -> None:
        self._view = memoryview(b"")
        super().close()


def read(source: Path | bytes | memoryview) -> ElfInfo:
    """Return the facts of a file on disk or in memory; raise MalformedData for an invalid one.

    Only the relevant parts are read: the size of the file does not matter.
    """
    file: Any = source.open("rb") if isinstance(source, Path) else _MemoryFile(memoryview(source))
    with file as stream:
        try:
            return _read(ELFFile(stream))
        except Exception as error:  # pyelftools raises many kinds for damaged tables, MemoryError among them
            why = str(error) or type(error).__name__
            raise MalformedData(f"not a valid ELF file ({why})") from None


def read_file(path: Path, name: str) -> ElfInfo | None:
    """Return the facts of a file; None if it is not ELF. `name` names it in errors; raises ExternalError."""
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            return None
    try:
        return read(path)
    except MalformedData as error:
        raise ExternalError(f"{name} is damaged: {error}.", "Download it again: inv fetch") from None


def _read(elf: Any) -> ElfInfo:
    limits.SECTIONS.check(elf.num_sections() + elf.num_segments(), "it")
    elf.stream.seek(18)  # pyelftools replaces known machines with names
    machine = int.from_bytes(elf.stream.read(2), "little" if elf.little_endian else "big")
    interpreter, libraries = "", []
    for segment in islice(elf.iter_segments(), _MANY):
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        elif isinstance(segment, DynamicSegment):
            tags: Iterator[Any] = islice(segment.iter_tags("DT_NEEDED"), _MANY)
            libraries += [tag.needed for tag in tags]
    linked = bool(interpreter or libraries)  # a static binary asks for no versions of symbols
    return ElfInfo(
        machine=machine,
        bits=elf.elfclass,
        little_endian=elf.little_endian,
        interpreter=interpreter,
        libraries=tuple(libraries),
        symbol_versions=tuple(_symbol_versions(elf)) if linked else (),
        go=go_build_info.read(elf),
    )


def _symbol_versions(elf: Any) -> Iterator[tuple[str, str]]:
    for section in elf.iter_sections("SHT_GNU_verneed"):
        if isinstance(section, GNUVerNeedSection):
            for library, versions in islice(section.iter_versions(), _MANY):
                yield from ((str(library.name), v.name) for v in islice(versions, _MANY))


def go_functions(path: Path) -> frozenset[str] | None:
    """Return the functions of a stripped Go binary, also inlined ones; None with a symbol table or no such record."""
    with path.open("rb") as stream:
        try:
            elf = ELFFile(stream)
            return None if elf.get_section_by_name(".symtab") else go_build_info.function_names(elf)
        except Exception:  # as in `read`
            return None
