"""Cache of inspection results by SHA-256: each binary is in a deb and in an rpm."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from kubeparcel.packages import elf
from kubeparcel.packages.model import ElfInfo

Digest = Callable[[str, str, memoryview], str]
"""Returns a digest, by hashlib's name, of the data with this sha256, perhaps from a cache of its own."""


class InspectionCache:
    """Results shared by the threads that read packages; nothing is stored on disk.

    With `sha1`, entries also get the SHA-1 of files.
    """

    def __init__(self, digest: Digest | None = None, *, sha1: bool = False) -> None:
        self._digest = digest
        self.wants_sha1 = sha1
        self._elves: dict[str, ElfInfo] = {}

    def elf(self, sha256: str, data: memoryview) -> ElfInfo:
        """Return the facts of an ELF file; raise MalformedData."""
        if sha256 not in self._elves:
            self._elves[sha256] = elf.read(data)
        return self._elves[sha256]

    def digest(self, algorithm: str, sha256: str, data: memoryview) -> str:
        """Return another digest of the data in hexadecimal; `algorithm` is hashlib's name."""
        if self._digest:
            return self._digest(algorithm, sha256, data)
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()

    def sha1(self, sha256: str, data: memoryview) -> str:
        """Return the SHA-1 of the data in hexadecimal; empty unless it is wanted."""
        return self.digest("sha1", sha256, data) if self.wants_sha1 else ""
