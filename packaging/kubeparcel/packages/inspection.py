"""Inspect the files of a payload: their digests and content, those in a deb and in an rpm only once."""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.files import translate_os_errors
from kubeparcel.packages import elf, limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.model import ElfInfo, FileType, PackageEntry

if TYPE_CHECKING:
    from kubeparcel.packages.payload_stream import PayloadStream

Digest = Callable[[str, str, memoryview], str]
"""Returns a digest, by hashlib's name, of the data with this sha256, perhaps from a cache of its own."""

MAX_KEPT_SIZE = 64 << 10
"""The data of files up to this size, in bytes, is kept."""

_KEPT_TOTAL = 32 << 20
"""The bytes of files other than configuration that are kept of a package."""

_IN_MEMORY = 64 << 20
"""Binaries up to this size are in memory while they are inspected, others in a temporary file."""

_MAX_FAULTS = 100


class InspectionCache:
    """Results shared by the threads that read packages, not stored on disk; with `sha1`, entries also get the SHA-1."""

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


@dataclass(frozen=True)
class FileInspection:
    """The size, digests, content and faults of a file. `digest` is the requested one; `sha1` is empty unless wanted."""

    size: int
    sha256: str
    digest: str
    sha1: str = ""
    elf: ElfInfo | None = None
    data: bytes | None = None
    faults: tuple[str, ...] = ()

    def complete(self, entry: PackageEntry) -> PackageEntry:
        """Return the entry with these facts."""
        return replace(entry, size=self.size, sha256=self.sha256, sha1=self.sha1, elf=self.elf, data=self.data)


class FileInspector:
    """Inspects the files of one package, one after the other; `algorithm` is hashlib's name of the requested digest."""

    def __init__(self, cache: InspectionCache, algorithm: str) -> None:
        self._cache, self._algorithm = cache, algorithm
        self._memory: mmap.mmap | None = None
        self._kept = self._configuration = 0

    def inspect(self, stream: PayloadStream, size: int, path: str) -> FileInspection:
        """Read the next `size` bytes of the payload, the file at `path`, and return their facts."""
        if size <= MAX_KEPT_SIZE:
            data = b"".join(map(bytes, stream.blocks(size, path)))
            if data[:4] == elf.MAGIC:
                return self._elf(hashlib.sha256(data).hexdigest(), memoryview(data))
            sha256 = hashlib.sha256(data).hexdigest()
            kept = data if self._is_kept(path, size) else None
            view = memoryview(data)
            return FileInspection(size, sha256, self._digest(sha256, view), self._cache.sha1(sha256, view), data=kept)
        head = stream.read(len(elf.MAGIC))
        blocks = chain((memoryview(head),), stream.blocks(size - len(head), path))
        if head != elf.MAGIC:
            return FileInspection(size, *self._hash(blocks))
        return self._inspect_large_elf(blocks, size)

    def _inspect_large_elf(self, blocks: Iterator[memoryview], size: int) -> FileInspection:
        if size <= _IN_MEMORY:
            view, sha256 = self._load(blocks, size)
            return self._elf(sha256, view)
        folder = Path(tempfile.gettempdir())
        with translate_os_errors(folder), tempfile.TemporaryFile(prefix="kubeparcel-", dir=folder) as file:
            sha256, digest, _ = self._hash(blocks, file)
            file.flush()
            with mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
                return self._elf(sha256, view, digest)

    def _load(self, blocks: Iterator[memoryview], size: int) -> tuple[memoryview, str]:
        """Return the bytes of a file in memory, which the next one overwrites, and their SHA-256."""
        if self._memory is None or len(self._memory) < size:
            self._memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with suppress(OSError):  # a kernel without huge pages, which halve the time this takes
                self._memory.madvise(mmap.MADV_HUGEPAGE)
        view = memoryview(self._memory)[:size]
        state, offset = hashlib.sha256(), 0
        for block in blocks:
            state.update(block)
            view[offset : offset + len(block)] = block
            offset += len(block)
        return view.toreadonly(), state.hexdigest()

    def _hash(self, blocks: Iterator[memoryview], file: Any = None) -> tuple[str, str, str]:
        """Return the SHA-256, the requested digest and, if wanted, the SHA-1 of blocks, and write them to `file`."""
        names = {"sha256", self._algorithm, *(["sha1"] if self._cache.wants_sha1 and not file else [])}
        states = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        for block in blocks:
            for state in states.values():
                state.update(block)
            if file:
                file.write(block)
        digests = {name: state.hexdigest() for name, state in states.items()}
        return digests["sha256"], digests[self._algorithm], digests.get("sha1", "")

    def _elf(self, sha256: str, view: memoryview, digest: str = "") -> FileInspection:
        digest, sha1 = digest or self._digest(sha256, view), self._cache.sha1(sha256, view)
        try:
            return FileInspection(len(view), sha256, digest, sha1, elf=self._cache.elf(sha256, view))
        except MalformedData as error:
            return FileInspection(len(view), sha256, digest, sha1, faults=(str(error),))

    def _digest(self, sha256: str, data: memoryview) -> str:
        return sha256 if self._algorithm == "sha256" else self._cache.digest(self._algorithm, sha256, data)

    def _is_kept(self, path: str, size: int) -> bool:
        """Return whether the data of a small file is kept: configuration always, others up to a total."""
        if path.startswith("/etc/") or "/systemd/" in path or path.endswith("/provenance.json"):
            self._configuration += size
            limits.CONFIGURATION.check(self._configuration, "its configuration")
            return True
        self._kept += size
        return self._kept <= _KEPT_TOTAL


def installed_size_faults(field: str, declared: int | None, entries: Sequence[PackageEntry]) -> Iterator[str]:
    """Yield a fault if the installed size in a field, in bytes, is far from that of the files.

    Formats and tools count differently (blocks, directories, links): small differences are fine.
    """
    actual = sum(entry.size for entry in entries if entry.kind is FileType.FILE)
    if declared is not None and abs(declared - actual) > max(actual // 10, 1 << 20):
        yield f"{field} is {declared:,} bytes, but the files have {actual:,}"


def shorten_faults(faults: Sequence[str]) -> tuple[str, ...]:
    """Return the first hundred faults, and the number of the others."""
    more = len(faults) - _MAX_FAULTS
    return (*faults[:_MAX_FAULTS], f"and {more:,} more faults") if more > 0 else tuple(faults)
