"""Cache of whole packages' contents in the store, by SHA-256, so that no package is read twice."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubeparcel.errors import DiskError
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.reader import read_package
from kubeparcel.store import Store
from kubeparcel.threads import parallel_map

KIND = "contents"
_WORKERS = 2


class ContentsCache:
    """The contents of packages, read once for each version of the readers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._inspections = InspectionCache(store.digest)

    def load(self, sha256: str, file: Path) -> PackageContents | None:
        """Return the contents of the package with this digest, whose file is `file`; None if unknown."""
        record = self._store.get_record(KIND, _key(sha256))
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
            self._store.put_record(KIND, _key(sha256), _adapter().dump_json((contents,)).decode())
        return contents


def _key(sha256: str) -> str:
    return f"{_readers_digest()} {sha256}"


@functools.cache
def _readers_digest() -> str:
    """Return a digest of the package readers: other code may read other contents."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def _adapter() -> Any:
    from pydantic import ConfigDict, TypeAdapter

    config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    return TypeAdapter(tuple[PackageContents], config=config)  # dataclasses take the settings of what contains them
