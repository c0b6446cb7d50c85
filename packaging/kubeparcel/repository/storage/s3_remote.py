"""Buckets as remotes of a store. Imported only for `s3://` locations: obstore is an optional dependency."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import obstore

from kubeparcel.repository.storage.base import ConflictError, check_path
from kubeparcel.repository.storage.remotes import write_hashed
from kubeparcel.repository.storage.s3 import S3Storage

_CHUNK = 4 << 20


class S3Remote(S3Storage):
    """A prefix of a bucket, without a lease: files are created conditionally and never replaced."""

    def size(self, path: str) -> int | None:
        size: int | None = self._none_if_missing(lambda: obstore.head(self.store, check_path(path))["size"], path)
        return size

    def download(self, path: str, target: Path, limit: int) -> str:
        response = self._none_if_missing(lambda: obstore.get(self.store, check_path(path)), path)
        if response is None:
            return ""
        return self._request(lambda: write_hashed(map(bytes, response.stream(min_chunk_size=_CHUNK)), target, limit))

    def create(self, path: str, source: Path) -> None:
        if self.size(path) is None:
            with suppress(ConflictError):
                self.put_if_unchanged(path, source, None)
