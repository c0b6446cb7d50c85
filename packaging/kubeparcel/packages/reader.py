"""Read finished packages back: what is really in them, whoever made them, without installing.

Nothing is unpacked to disk. A format is one file with a `MAGIC` and a `read`, and one row here.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from kubeparcel.errors import DiskError
from kubeparcel.packages.compression import read_into_mmap
from kubeparcel.packages.deb import reader as deb
from kubeparcel.packages.errors import BrokenPackage
from kubeparcel.packages.inspection_cache import InspectionCache
from kubeparcel.packages.model import (
    ElfInfo,
    FileType,
    GoBuildInfo,
    GoModule,
    PackageContents,
    PackageEntry,
    Script,
)
from kubeparcel.packages.rpm import reader as rpm

__all__ = [
    "READERS",
    "BrokenPackage",
    "ElfInfo",
    "FileType",
    "GoBuildInfo",
    "GoModule",
    "InspectionCache",
    "PackageContents",
    "PackageEntry",
    "Script",
    "read_package",
    "read_packages",
]

Reader: TypeAlias = Callable[[Path, memoryview, InspectionCache], PackageContents]
"""Gives the contents of a package from its bytes; raises Malformed, a ValueError."""

READERS: Mapping[bytes, Reader] = {deb.MAGIC: deb.read, rpm.MAGIC: rpm.read}
"""The formats, by the bytes that their files begin with."""

# What bytes that nobody wrote on purpose make the libraries raise.
_DAMAGE = (ValueError, LookupError, ArithmeticError, struct.error, EOFError, RecursionError)


def read_package(path: Path, cache: InspectionCache | None = None) -> PackageContents:
    """All that a package file holds; its format is told by its bytes, not by its name.

    The unpacked payload is in memory meanwhile. What is `known` of its files is not found out
    again. Raises BrokenPackage when the file is no package or not a whole one, DiskError when it
    cannot be read.
    """
    try:
        raw = _raw(path)
        reader = next((READERS[m] for m in READERS if raw[: len(m)] == m), None)
        if reader is None:
            raise BrokenPackage(
                f"{path} is not a package: it is neither a deb nor an rpm.",
                "Give the path of a .deb or .rpm file.",
            )
        return reader(path, raw, cache or InspectionCache())
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}.", "Check the path of the package.") from None
    except _DAMAGE as error:
        why = str(error) or type(error).__name__
        raise BrokenPackage(
            f"{path} is not a whole package: {why}.", "Build it, or get it, again."
        ) from None


def _raw(path: Path) -> memoryview:
    with path.open("rb", buffering=0) as file:
        return read_into_mmap(file, "the file", os.fstat(file.fileno()).st_size + 1)


def read_packages(paths: Sequence[Path], workers: int | None = None) -> list[PackageContents]:
    """The contents of several packages in the order of their paths; raises as `read` does.

    `workers` of them are read at a time, as many as there are processors unless said, at most 4:
    each has one unpacked payload in memory.
    """
    count = workers or min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(count, "contents") as pool:
        return list(pool.map(read_package, paths))
