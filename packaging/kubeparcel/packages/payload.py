"""Inspect the files of a payload: their paths, digests and content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kubeparcel.packages import elf
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection_cache import InspectionCache
from kubeparcel.packages.model import FileType, PackageEntry

MAX_KEPT_SIZE = 64 << 10
"""The data of files up to this size, in bytes, is kept."""


@dataclass(frozen=True)
class FileInspection:
    """A file's entry with the facts of its bytes, its requested digest, and faults."""

    entry: PackageEntry
    digest: str
    faults: tuple[str, ...] = ()

    def of_link(self, link: PackageEntry) -> FileInspection:
        """Return the inspection of a hard link to the file, without reading it again."""
        file = self.entry
        entry = replace(link, size=file.size, sha256=file.sha256, elf=file.elf, data=file.data)
        return replace(self, entry=entry)


def inspect_file(entry: PackageEntry, data: memoryview, cache: InspectionCache, algorithm: str) -> FileInspection:
    """Inspect a file's bytes; `algorithm` is hashlib's name of the requested digest."""
    sha256 = hashlib.sha256(data).hexdigest()
    digest = sha256 if algorithm == "sha256" else cache.digest(algorithm, sha256, data)
    entry = replace(entry, size=len(data), sha256=sha256)
    if data[:4] != elf.MAGIC:
        kept = data.tobytes() if len(data) <= MAX_KEPT_SIZE else None
        return FileInspection(replace(entry, data=kept), digest)
    try:
        return FileInspection(replace(entry, elf=cache.elf(sha256, data)), digest)
    except MalformedData as error:
        return FileInspection(entry, digest, (str(error),))


def absolute_path(name: str) -> str:
    """Return the absolute path of a member; member names are relative to the root."""
    plain = name.removeprefix("./").strip("/")
    return "/" if plain in ("", ".") else f"/{plain}"


def member_name_faults(name: str, taken: bool) -> Iterator[str]:
    """Yield what is wrong with a member's name: not relative, `..`, unprintable, duplicate."""
    parts = name.removeprefix("./").removesuffix("/").split("/")
    if name not in (".", "./") and not {"", ".", ".."}.isdisjoint(parts):
        yield f"{name!r} in the payload is not a plain relative path"
    if not name.isprintable():
        yield f"{name!r} in the payload contains unprintable characters"
    if taken:
        yield f"{name!r} is in the payload twice"


def installed_size_faults(field: str, declared: int | None, entries: Sequence[PackageEntry]) -> Iterator[str]:
    """Yield a fault if the installed size in a field, in bytes, is far from that of the files.

    Formats and tools count differently (blocks, directories, links): small differences are fine.
    """
    actual = sum(entry.size for entry in entries if entry.kind is FileType.FILE)
    if declared is not None and abs(declared - actual) > max(actual // 10, 1 << 20):
        yield f"{field} is {declared:,} bytes, but the files have {actual:,}"
