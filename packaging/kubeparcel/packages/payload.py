"""What is learned from each member of a payload: where it goes, its digests, what kind of file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from kubeparcel.packages import elf
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection_cache import InspectionCache
from kubeparcel.packages.model import ElfInfo

SMALL = 64 << 10
"""Up to this size, in bytes, a file's bytes are kept."""


@dataclass(frozen=True)
class FileInspection:
    """Facts of a file's bytes: its sha256, the other digest that was asked for, and the rest."""

    sha256: str
    digest: str
    elf: ElfInfo | None
    data: bytes | None
    faults: tuple[str, ...] = ()


def inspect_file(
    data: memoryview, known: InspectionCache, algorithm: str = "sha256"
) -> FileInspection:
    """Look at a file's bytes; `digest` is by that algorithm, by hashlib's name."""
    sha256 = hashlib.sha256(data).hexdigest()
    other = sha256 if algorithm == "sha256" else known.digest(algorithm, sha256, data)
    found: ElfInfo | None = None
    faults: tuple[str, ...] = ()
    binary = data[:4] == elf.MAGIC
    if binary:
        try:
            found = known.elf(sha256, data)
        except MalformedData as error:
            faults = (str(error),)
    kept = None if binary or len(data) > SMALL else data.tobytes()
    return FileInspection(sha256, other, found, kept, faults)


def absolute_path(name: str) -> str:
    """The absolute path that a member's name stands for; names are relative to the root."""
    plain = name.removeprefix("./").strip("/")
    return "/" if plain in ("", ".") else f"/{plain}"


def member_name_faults(name: str, taken: bool) -> Iterator[str]:
    """What is wrong with a member's name: not relative, with `..`, unprintable, there twice."""
    parts = name.removeprefix("./").removesuffix("/").split("/")
    if name not in (".", "./") and not {"", ".", ".."}.isdisjoint(parts):
        yield f"{name!r} in the payload is no plain relative name"
    if not name.isprintable():
        yield f"{name!r} in the payload has characters that cannot be printed"
    if taken:
        yield f"{name!r} is in the payload twice"


def installed_size_faults(what: str, declared: int | None, found: int) -> Iterator[str]:
    """A fault when a declared installed size, in bytes, is far from the real one.

    Formats and tools count differently (blocks, directories, links), so only a gross error counts.
    """
    if declared is not None and abs(declared - found) > max(found // 10, 1 << 20):
        yield f"{what} says {declared:,} bytes, the files have {found:,}"
