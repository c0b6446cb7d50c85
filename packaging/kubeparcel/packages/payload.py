"""Inspect the files of a payload: their paths, digests and content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from kubeparcel.packages import elf
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection_cache import InspectionCache
from kubeparcel.packages.model import ElfInfo

MAX_KEPT_SIZE = 64 << 10
"""The data of files up to this size, in bytes, is kept."""


@dataclass(frozen=True)
class FileInspection:
    """A file's sha256, its digest by the requested algorithm, its ELF facts and small data."""

    sha256: str
    digest: str
    elf: ElfInfo | None
    data: bytes | None
    faults: tuple[str, ...] = ()


def inspect_file(
    data: memoryview, cache: InspectionCache, algorithm: str = "sha256"
) -> FileInspection:
    """Inspect a file's bytes; `algorithm` is hashlib's name of the requested digest."""
    sha256 = hashlib.sha256(data).hexdigest()
    other = sha256 if algorithm == "sha256" else cache.digest(algorithm, sha256, data)
    found: ElfInfo | None = None
    faults: tuple[str, ...] = ()
    binary = data[:4] == elf.MAGIC
    if binary:
        try:
            found = cache.elf(sha256, data)
        except MalformedData as error:
            faults = (str(error),)
    kept = None if binary or len(data) > MAX_KEPT_SIZE else data.tobytes()
    return FileInspection(sha256, other, found, kept, faults)


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


def installed_size_faults(what: str, declared: int | None, found: int) -> Iterator[str]:
    """Yield a fault if a declared installed size, in bytes, is far from the real one.

    Formats and tools count differently (blocks, directories, links): small differences are fine.
    """
    if declared is not None and abs(declared - found) > max(found // 10, 1 << 20):
        yield f"{what} is {declared:,} bytes, but the files have {found:,}"
