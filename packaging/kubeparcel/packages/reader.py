"""Read whole packages: everything in them, without installing or unpacking them to disk.

A format is a module with MAGIC and `read`, and an entry in READERS.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from kubeparcel.errors import DiskError
from kubeparcel.packages import limits
from kubeparcel.packages.deb import reader as deb
from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.rpm import reader as rpm
from kubeparcel.threads import parallel_map

Reader: TypeAlias = Callable[[Path, BinaryIO, InspectionCache], PackageContents]
"""Returns the contents of a package from its path and its open file; raises MalformedData."""

READERS: Mapping[bytes, Reader] = {deb.MAGIC: deb.read, rpm.MAGIC: rpm.read}
"""The reader of each format, by the first bytes of its files."""


def read_package(path: Path, cache: InspectionCache | None = None) -> PackageContents:
    """Return the contents of a package file; its format is detected by its first bytes.

    The payload is streamed: of its files, only one binary at a time is in memory, up to 64 MiB. Files in
    `cache` are not inspected again. Raises BrokenPackage for a file that is not a complete package,
    DiskError for one that cannot be read.
    """
    try:
        with _open(path) as file:
            magic = file.read(max(map(len, READERS)))
            reader = next((READERS[m] for m in READERS if magic.startswith(m)), None)
            if reader is None:
                raise BrokenPackage(f"{path} is neither a deb nor an rpm.", "Give the path of a .deb or .rpm file.")
            return reader(path, file, cache or InspectionCache())
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}.", "Check the path of the package.") from None
    except MalformedData as error:
        raise BrokenPackage(f"{path} is not a valid package: {error}.", error.hint) from None


def _open(path: Path) -> BinaryIO:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would block
        raise MalformedData("it is not a regular file")
    limits.FILE.check(status.st_size, "the file")
    return path.open("rb", buffering=0)


def read_packages(paths: Sequence[Path], workers: int | None = None) -> list[PackageContents]:
    """Return the contents of several packages in the order of their paths; raise as read_package.

    `workers` packages are read at a time, by default one per processor and at most 4: each may have a
    binary of 64 MiB in memory.
    """
    return parallel_map(lambda path, _: read_package(path), paths, workers or min(4, os.cpu_count() or 1))
