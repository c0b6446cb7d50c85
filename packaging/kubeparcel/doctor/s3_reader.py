"""Reads repositories in S3-compatible buckets. Imported only for `s3://` locations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import obstore

from kubeparcel.doctor.reader import BLOCK, read_document
from kubeparcel.repository.storage.base import T, check_path
from kubeparcel.repository.storage.s3 import S3Storage


class S3Reader(S3Storage):
    """A repository in a bucket."""

    follow: frozenset[str] = frozenset()

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        return super().read(path, limit) if limit is not None else read_document(self, path)

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        def get() -> T:
            response = obstore.get(self.store, check_path(path))
            return use(bytes(block) for block in response.stream(min_chunk_size=BLOCK))

        return self._none_if_missing(get, path)

    def list_folder(self, folder: str) -> Sequence[str] | None:
        def list_both() -> list[str]:
            listing = obstore.list_with_delimiter(self.store, folder or None)
            files = [entry["path"].rpartition("/")[2] for entry in listing["objects"]]
            prefixes = [prefix.rstrip("/") for prefix in listing["common_prefixes"]]
            folders = [f"{prefix.rpartition('/')[2]}/" for prefix in prefixes]
            return sorted([*files, *folders])

        return self._request(list_both)

    def file_sizes(self, prefix: str) -> dict[str, int]:
        if prefix:
            return super().file_sizes(prefix)
        names = (name for name in self.list_folder("") or () if name.endswith("/"))
        sizes = (self.file_sizes(name.rstrip("/")) for name in names)
        return dict(chain.from_iterable(folder.items() for folder in sizes))
