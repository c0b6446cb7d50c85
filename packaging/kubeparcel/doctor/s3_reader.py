"""Reads repositories in S3-compatible buckets. Imported only for `s3://` locations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from kubeparcel.doctor.reader import read_document
from kubeparcel.repository.storage.s3_bucket import Bucket


class S3Reader(Bucket):
    """A repository in a bucket."""

    follow: frozenset[str] = frozenset()

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        return self.read_start(path, limit) if limit is not None else read_document(self, path)

    def list_folder(self, folder: str) -> Sequence[str] | None:
        folders, files = self.folder_content(folder)
        return sorted([*(f"{name}/" for name in folders), *(path.rpartition("/")[2] for path in files)])

    def file_sizes(self, prefix: str) -> dict[str, int]:
        if prefix:
            return {path: file.size for path, file in self.files_below(prefix).items()}
        folders, _ = self.folder_content("")
        return dict(chain.from_iterable(self.file_sizes(name).items() for name in folders))
