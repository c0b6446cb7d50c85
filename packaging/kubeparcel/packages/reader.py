"""Read whole packages: everything in them, without unpacking them to disk; contents may be cached by SHA-256.

A format is a module with MAGIC and `read`, and an entry in READERS.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from kubeparcel.errors import DiskError
from kubeparcel.packages import limits
from kubeparcel.packages.deb import reader as deb
from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.rpm import reader as rpm
from kubeparcel.paths import source_digest
from kubeparcel.store import Store
from kubeparcel.threads import parallel_map

Reader: TypeAlias = Callable[[Path, BinaryIO, InspectionCache], PackageContents]
"""Returns the contents of a package from its path and its open file; raises MalformedData."""

READERS: Mapping[bytes, Reader] = {deb.MAGIC: deb.read, rpm.MAGIC: rpm.read}
"""The reader of each format, by the first bytes of its files."""

CONTENTS = "contents"
"""The kind of the store's records of packages' contents."""

_WORKERS = 2


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


class ContentsCache:
    """The contents of packages, read once for each version of the readers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._inspections = InspectionCache(store.digest)

    def load(self, sha256: str, file: Path) -> PackageContents | None:
        """Return the contents of the package with this digest, whose file is `file`; None if unknown."""
        record = self._store.get_record(CONTENTS, _key(sha256))
        with suppress(ValueError):  # a damaged record
            return replace(_adapter().validate_json(record)[0], file=file) if isinstance(record, str) else None
        return None

    def read(self, files: Sequence[tuple[str, Path]]) -> list[PackageContents]:
        """Return the contents of package files, given with their SHA-256; raises as `read_package` does."""
        return parallel_map(lambda file, _: self._read(*file), files, _WORKERS)

    def _read(self, sha256: str, file: Path) -> PackageContents:
        if contents := self.load(sha256, file):
            return contents
        contents = read_package(file, self._inspections)
        with suppress(DiskError, ValueError):  # a read-only cache, or text that JSON cannot have
            self._store.put_record(CONTENTS, _key(sha256), _adapter().dump_json((contents,)).decode())
        return contents


def _key(sha256: str) -> str:
    return f"{_readers_digest()} {sha256}"


@functools.cache
def _readers_digest() -> str:
    """Return a digest of the package readers: other code may read other contents."""
    return source_digest("packages/**/*.py")


@functools.cache
def _adapter() -> Any:
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    return TypeAdapter(tuple[PackageContents], config=config)  # dataclasses take the settings of what contains them
