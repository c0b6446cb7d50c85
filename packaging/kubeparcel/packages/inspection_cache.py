"""What was found out about bytes, by their sha256: each binary is in packages of two formats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from kubeparcel.packages import elf
from kubeparcel.packages.model import ElfInfo

Md5 = Callable[[str, memoryview], str]
"""Gives the md5 of bytes that have this sha256; somebody may know it already."""


class InspectionCache:
    """What was found out while packages were read, by several threads; it ends with this value."""

    def __init__(self, md5: Md5 | None = None) -> None:
        self._md5 = md5
        self._elves: dict[str, ElfInfo] = {}

    def elf(self, sha256: str, data: memoryview) -> ElfInfo:
        """The facts of an ELF file; raises Malformed."""
        found = self._elves.get(sha256)
        if found is None:
            found = self._elves[sha256] = elf.read(data)
        return found

    def digest(self, algorithm: str, sha256: str, data: memoryview) -> str:
        """Another digest of the bytes, by hashlib's name, in hexadecimal."""
        if algorithm == "md5" and self._md5:
            return self._md5(sha256, data)
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
