"""Cache of inspection results by SHA-256: each binary is in a deb and in an rpm."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from kubeparcel.packages import elf
from kubeparcel.packages.model import ElfInfo

Md5 = Callable[[str, memoryview], str]
"""Returns the md5 of the data with this sha256, perhaps from a cache of its own."""


class InspectionCache:
    """Results shared by the threads that read packages; nothing is stored on disk."""

    def __init__(self, md5: Md5 | None = None) -> None:
        self._md5 = md5
        self._elves: dict[str, ElfInfo] = {}

    def elf(self, sha256: str, data: memoryview) -> ElfInfo:
        """Return the facts of an ELF file; raise MalformedData."""
        if sha256 not in self._elves:
            self._elves[sha256] = elf.read(data)
        return self._elves[sha256]

    def digest(self, algorithm: str, sha256: str, data: memoryview) -> str:
        """Return another digest of the data in hexadecimal; `algorithm` is hashlib's name."""
        if algorithm == "md5" and self._md5:
            return self._md5(sha256, data)
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
