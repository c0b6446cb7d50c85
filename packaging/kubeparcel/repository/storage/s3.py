"""Repositories in S3-compatible buckets: the state and the entry files are written conditionally."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore

from kubeparcel.files import translate_os_errors
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.storage.base import METADATA_FOLDER, FolderSwap, T, check_path
from kubeparcel.repository.storage.s3_bucket import Bucket, is_immutable
from kubeparcel.repository.storage.s3_lease import Lease, acquire_lease
from kubeparcel.repository.storage.s3_listing import Listings, StoredFile

_WORKERS = 8
_UNPUBLISHED = "Clients still see the previous state; run the same command again."
_PARTLY_PUBLISHED = "Some suites may be published already; run the same command again to finish."


class S3Storage(Bucket):
    """A repository in a bucket.

    ETags of files that were read are kept: a conditional write fails if another publisher wrote
    the file since then.
    """

    def __init__(self, store: Any, location: str, base_url: str) -> None:
        super().__init__(store, location, base_url)
        self._etags: dict[str, str | None] = {}
        self._listings = Listings()
        self._lease: Lease | None = None

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        if self._listings.is_missing(path):
            self._etags[path] = None
            return None
        if limit is not None:
            return self.read_start(path, limit)
        data, self._etags[path] = self.read_with_etag(path)
        return data

    def contains(self, path: str, data: bytes) -> bool:
        if (listed := self._listings.has_content(path, data)) is not None:
            return listed
        return self.read(path) == data

    def file_sizes(self, prefix: str) -> dict[str, int]:
        return {path: file.size for path, file in self._files(prefix).items()}

    def _files(self, prefix: str) -> Mapping[str, StoredFile]:
        """Return the files below a folder; with the lease, a folder is listed only once."""
        files = self._listings.below(prefix)
        if files is None:
            files = self.files_below(prefix)
            if self._lease is not None:
                self._listings.store(prefix, files)
        return files

    def file_names(self, folder: str) -> list[str]:
        files = None if folder else self._listings.at_top()
        if files is None:
            _, files = self.folder_content(folder)
            if self._lease is not None and not folder:
                self._listings.store("", files)
        return sorted(path.rpartition("/")[2] for path in files)

    def top_names(self) -> list[str]:
        folders, files = self.folder_content("")
        return [*folders, *files]

    def add(self, files: Sequence[tuple[str, FileStamp]]) -> None:
        def upload(pair: tuple[str, FileStamp]) -> None:
            path, file = pair
            self.put(path, Path(file.path))
            with translate_os_errors(Path(file.path)):
                file.require_unchanged(Path(file.path).stat())

        _in_parallel(upload, files)

    def copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        def copy_file(pair: tuple[str, str]) -> None:
            self._require_lease()
            old, new = map(check_path, pair)
            self._request(lambda: obstore.copy(self.store, old, new))
            self._listings.written(new, StoredFile(0, None))

        _in_parallel(copy_file, pairs)

    def write(self, files: Mapping[str, bytes]) -> None:
        _in_parallel(lambda item: self.put(*item), list(files.items()))

    def remove(self, paths: Iterable[str]) -> None:
        names = [check_path(path) for path in paths]
        if names:
            self._require_lease()
            self._none_if_missing(lambda: obstore.delete(self.store, names))
            self._listings.removed(names)

    def swap(self, swaps: Sequence[FolderSwap], state_files: Mapping[str, bytes]) -> None:
        """Write files in this order: by-hash files, state, other indexes, entry files."""
        live = {swap.folder: self._files(swap.folder) for swap in swaps}
        new_files = {f"{swap.folder}/{name}": data for swap in swaps for name, data in swap.new_files.items()}
        entry_files = [f"{swap.folder}/{name}" for swap in swaps for name in swap.entry_files]
        existing = {path: file for files in live.values() for path, file in files.items()}
        indexes = {path: new_files[path] for path in new_files if path not in entry_files}
        immutable = {path: data for path, data in indexes.items() if is_immutable(path)}
        self.write({path: data for path, data in immutable.items() if path not in existing})
        self.progress = _PARTLY_PUBLISHED
        for path, data in state_files.items():
            if path in self._etags:
                self.put_if_unchanged(path, data, self._etags[path])
            else:
                self.put(path, data)
        self.write({path: data for path, data in indexes.items() if path not in immutable})
        for path in entry_files:
            self.put_if_unchanged(path, new_files[path], existing[path].etag if path in existing else None)
        for swap in swaps:
            retained = {f"{swap.folder}/{name}" for name in (*swap.new_files, *swap.kept_files)}
            self.remove(sorted(set(live[swap.folder]) - retained))

    @contextmanager
    def lease(self, wait: float) -> Iterator[int]:
        with acquire_lease(self, wait) as lease:
            self._lease, self.progress = lease, _UNPUBLISHED
            self._files(METADATA_FOLDER)
            try:
                yield lease.token
            finally:
                self._lease, self.progress = None, ""
                self._listings.clear()

    def _require_lease(self) -> None:
        """Raise ConflictError if our lease was lost: its new holder is the only one to write."""
        if self._lease is not None:
            self._lease.check()

    def put(self, path: str, data: bytes | Path, mode: Any = "overwrite") -> str | None:
        self._require_lease()
        etag = self._etags[path] = super().put(path, data, mode)
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        self._listings.written(path, StoredFile(size, etag))
        return etag


def _in_parallel(call: Callable[[T], object], items: Sequence[T]) -> None:
    with ThreadPoolExecutor(_WORKERS) as pool:
        for job in [pool.submit(call, item) for item in items]:
            job.result()
