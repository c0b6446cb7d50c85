"""Repositories in S3-compatible buckets: the state and the entry files are written conditionally.

Imported only for `s3://` locations: obstore is an optional dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Self

from kubeparcel.errors import ExternalError, ToolError
from kubeparcel.files import translate_os_errors
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.storage import s3_errors, s3_lease
from kubeparcel.repository.storage.base import METADATA_FOLDER, ConflictError, FolderSwap, T, check_path
from kubeparcel.repository.storage.s3_headers import http_headers, is_immutable
from kubeparcel.repository.storage.s3_listing import Listings, StoredFile

try:
    import obstore
    from obstore import exceptions
    from obstore.store import S3Store
except ImportError:
    raise ToolError("s3:// locations need obstore, which is not installed.", "pip install 'kubeparcel[s3]'") from None

TIMEOUT = timedelta(seconds=60)
"""Limit for one request, and for all its retries."""

_WORKERS = 8
_NO_BUCKET = "<Code>NoSuchBucket"
_UNPUBLISHED = "Clients still see the previous state; run the same command again."
_PARTLY_PUBLISHED = "Some suites may be published already; run the same command again to finish."


class S3Storage:
    """A repository below a prefix of a bucket; `store` is obstore's.

    ETags of files that were read are kept: a conditional write fails if another publisher wrote
    the file since then.
    """

    def __init__(self, store: Any, location: str, base_url: str) -> None:
        self.store = store
        self.location = location
        self.base_url = base_url
        self._etags: dict[str, str | None] = {}
        self._listings = Listings()
        self._lease: s3_lease.Lease | None = None
        self._progress = ""

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Open `s3://BUCKET/PREFIX`; endpoint, region and credentials are in AWS_* variables."""
        name, prefix = s3_errors.parse_url(url)
        endpoint = s3_errors.read_endpoint()
        options: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
        try:
            store = S3Store(
                name,
                prefix=prefix or None,
                client_options={"allow_http": endpoint.startswith("http://"), "timeout": TIMEOUT},
                retry_config={"max_retries": 3, "retry_timeout": TIMEOUT},
                **options,
            )
        except exceptions.BaseError as error:
            raise s3_errors.external_error(url, str(error)) from None
        base = f"{endpoint.rstrip('/')}/{name}" if endpoint else f"https://{name}.s3.amazonaws.com"
        return cls(store, url.rstrip("/"), f"{base}/{prefix}".rstrip("/"))

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        if self._listings.is_missing(path):
            self._etags[path] = None
            return None

        def get() -> bytes:
            if limit is not None:
                size = obstore.head(self.store, check_path(path))["size"]
                return bytes(obstore.get_range(self.store, path, start=0, end=min(limit, size)))
            response = obstore.get(self.store, check_path(path))
            self._etags[path] = response.meta["e_tag"]
            return bytes(response.bytes())

        return self._none_if_missing(get, path)

    def _none_if_missing(self, call: Callable[[], T], path: str) -> T | None:
        try:
            return self._request(call)
        except exceptions.NotFoundError as error:
            if _NO_BUCKET in str(error):
                raise self._error(error) from None
            self._etags[path] = None
            return None

    def contains(self, path: str, data: bytes) -> bool:
        if (listed := self._listings.has_content(path, data)) is not None:
            return listed
        return self.read(path) == data

    def file_sizes(self, prefix: str) -> dict[str, int]:
        return {path: file.size for path, file in self._files(prefix).items()}

    def _files(self, prefix: str) -> Mapping[str, StoredFile]:
        """Return the files below a folder; with the lease, a folder is listed only once."""

        def list_all() -> dict[str, StoredFile]:
            return _stored_files(chain.from_iterable(obstore.list(self.store, check_path(prefix))))

        files = self._listings.below(prefix)
        if files is None:
            files = self._request(list_all)
            if self._lease is not None:
                self._listings.store(prefix, files)
        return files

    def file_names(self, folder: str) -> list[str]:
        def list_folder() -> dict[str, StoredFile]:
            return _stored_files(obstore.list_with_delimiter(self.store, folder or None)["objects"])

        files = None if folder else self._listings.at_top()
        if files is None:
            files = self._request(list_folder)
            if self._lease is not None and not folder:
                self._listings.store("", files)
        return sorted(path.rpartition("/")[2] for path in files)

    def top_names(self) -> list[str]:
        def list_top() -> list[str]:
            listing = obstore.list_with_delimiter(self.store, None)
            paths = [*listing["common_prefixes"], *(entry["path"] for entry in listing["objects"])]
            return [path.rstrip("/").rpartition("/")[2] for path in paths]

        return self._request(list_top)

    def add(self, files: Sequence[tuple[str, FileStamp]]) -> None:
        def upload(pair: tuple[str, FileStamp]) -> None:
            path, file = pair
            self._put(path, Path(file.path))
            with translate_os_errors(Path(file.path)):
                file.require_unchanged(Path(file.path).stat())

        self._parallel(upload, files)

    def copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        def copy_file(pair: tuple[str, str]) -> None:
            self._require_lease()
            old, new = map(check_path, pair)
            self._request(lambda: obstore.copy(self.store, old, new))
            self._listings.written(new, StoredFile(0, None))

        self._parallel(copy_file, pairs)

    def write(self, files: Mapping[str, bytes]) -> None:
        self._parallel(lambda item: self._put(*item), list(files.items()))

    def remove(self, paths: Iterable[str]) -> None:
        names = [check_path(path) for path in paths]
        if names:
            self._require_lease()
            self._none_if_missing(lambda: obstore.delete(self.store, names), "")
            self._listings.removed(names)

    def swap(self, swaps: Sequence[FolderSwap], state_files: Mapping[str, bytes]) -> None:
        """Write files in this order: by-hash files, state, other indexes, entry files."""
        live = {swap.folder: self._files(swap.folder) for swap in swaps}
        new_files = {f"{swap.folder}/{name}": data for swap in swaps for name, data in swap.new_files.items()}
        entry_files = [f"{swap.folder}/{name}" for swap in swaps for name in swap.entry_files]
        existing = {path: file for files in live.values() for path, file in files.items()}
        for path in entry_files:
            self._etags[path] = existing[path].etag if path in existing else None
        indexes = {path: new_files[path] for path in new_files if path not in entry_files}
        immutable = {path: data for path, data in indexes.items() if is_immutable(path)}
        self.write({path: data for path, data in immutable.items() if path not in existing})
        self._progress = _PARTLY_PUBLISHED
        for path, data in state_files.items():
            self._put(path, data, conditional=path in self._etags)
        self.write({path: data for path, data in indexes.items() if path not in immutable})
        for path in entry_files:
            self._put(path, new_files[path], conditional=True)
        for swap in swaps:
            retained = {f"{swap.folder}/{name}" for name in (*swap.new_files, *swap.kept_files)}
            self.remove(sorted(set(live[swap.folder]) - retained))

    @contextmanager
    def lease(self, wait: float) -> Iterator[int]:
        with s3_lease.acquire_lease(self, wait) as lease:
            self._lease, self._progress = lease, _UNPUBLISHED
            self._files(METADATA_FOLDER)
            try:
                yield lease.token
            finally:
                self._lease, self._progress = None, ""
                self._listings.clear()

    def put_if_unchanged(self, path: str, data: bytes | Path, etag: str | None) -> str | None:
        """Write a file if it still has that ETag (None: if it does not exist); return the new one.

        Raises ConflictError if another publisher wrote it first.
        """
        self._etags[path] = etag
        return self._put(path, data, conditional=True)

    def read_with_etag(self, path: str) -> tuple[bytes | None, str | None]:
        """Return a file and its ETag; None for both if it does not exist."""
        data = self.read(path)
        return data, self._etags.get(path)

    def modified(self, path: str) -> datetime | None:
        """Return when a file was written, by the storage's clock; None if it does not exist."""
        return self._none_if_missing(lambda: obstore.head(self.store, path)["last_modified"], path)

    def _require_lease(self) -> None:
        """Raise ConflictError if our lease was lost: its new holder is the only one to write."""
        if self._lease is not None:
            self._lease.check()

    def _put(self, path: str, data: bytes | Path, conditional: bool = False) -> str | None:
        self._require_lease()
        mode: Any = "overwrite"
        if conditional:
            etag = self._etags.get(path)
            mode = "create" if etag is None else {"e_tag": etag}

        def put() -> str | None:
            name = check_path(path)
            return obstore.put(self.store, name, data, attributes=http_headers(path), mode=mode)["e_tag"]

        try:
            etag = self._request(put)
        except exceptions.NotFoundError as error:
            raise self._error(error) from None
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise ConflictError(
                f"{self.location}/{path} was changed by another publisher.", "Run the same command again."
            ) from None
        self._etags[path] = etag
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        self._listings.written(path, StoredFile(size, etag))
        return etag

    def _parallel(self, call: Callable[[T], object], items: Sequence[T]) -> None:
        with ThreadPoolExecutor(_WORKERS) as pool:
            for job in [pool.submit(call, item) for item in items]:
                job.result()

    def _request(self, call: Callable[[], T]) -> T:
        """Call obstore; its errors are reported in plain words, but for those callers handle."""
        try:
            return call()
        except (exceptions.NotFoundError, exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise
        except FileNotFoundError as error:
            raise exceptions.NotFoundError(str(error)) from None
        except exceptions.BaseError as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> ExternalError:
        return s3_errors.external_error(self.location, str(error), self._progress)


def _stored_files(objects: Iterable[Any]) -> dict[str, StoredFile]:
    return {entry["path"]: StoredFile(entry["size"], entry["e_tag"]) for entry in objects}
