"""Files below a prefix of an S3-compatible bucket: requests by obstore, with its errors in plain words.

Imported only for `s3://` locations: obstore is an optional dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Self

from kubeparcel.errors import ExternalError, ToolError
from kubeparcel.repository.storage import s3_errors
from kubeparcel.repository.storage.base import ConflictError, T, check_path
from kubeparcel.repository.storage.remotes import write_hashed
from kubeparcel.repository.storage.s3_listing import StoredFile

try:
    import obstore
    from obstore import exceptions
    from obstore.store import S3Store
except ImportError:
    raise ToolError("s3:// locations need obstore, which is not installed.", "pip install 'kubeparcel[s3]'") from None

TIMEOUT = timedelta(seconds=60)
"""Limit for one request, and for all its retries."""

_NO_BUCKET = "<Code>NoSuchBucket"
_BLOCK, _DOWNLOAD_BLOCK = 1 << 20, 4 << 20
_CACHE_FOREVER = "public, max-age=31536000, immutable"
_CACHE_BRIEFLY = "public, max-age=60, must-revalidate"
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".pem": "application/x-pem-file",
    ".xml": "application/xml",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
    ".xz": "application/x-xz",
    ".deb": "application/vnd.debian.binary-package",
    ".rpm": "application/x-rpm",
    ".gpg": "application/octet-stream",
}


class Bucket:
    """A prefix of a bucket, also as the remote of a store; `store` is obstore's.

    `progress` describes what a failed publish left behind; it is part of its errors.
    """

    def __init__(self, store: Any, location: str, base_url: str) -> None:
        self.store = store
        self.location = location
        self.base_url = base_url
        self.progress = ""

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

    def read_with_etag(self, path: str) -> tuple[bytes | None, str | None]:
        """Return a file and its ETag; None for both if it does not exist."""

        def get() -> tuple[bytes, str | None]:
            response = obstore.get(self.store, check_path(path))
            return bytes(response.bytes()), response.meta["e_tag"]

        return self._none_if_missing(get) or (None, None)

    def read_start(self, path: str, limit: int) -> bytes | None:
        """Return the first `limit` bytes of a file; None if it does not exist."""

        def get() -> bytes:
            size = obstore.head(self.store, check_path(path))["size"]
            return bytes(obstore.get_range(self.store, path, start=0, end=min(limit, size)))

        return self._none_if_missing(get)

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T], block: int = _BLOCK) -> T | None:
        """Return what `use` makes of a file's blocks; None if the file does not exist."""

        def get() -> T:
            response = obstore.get(self.store, check_path(path))
            return use(map(bytes, response.stream(min_chunk_size=block)))

        return self._none_if_missing(get)

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes; None if it does not exist."""
        return self._none_if_missing(lambda: obstore.head(self.store, check_path(path))["size"])

    def modified(self, path: str) -> datetime | None:
        """Return when a file was written, by the storage's clock; None if it does not exist."""
        return self._none_if_missing(lambda: obstore.head(self.store, path)["last_modified"])

    def files_below(self, folder: str) -> dict[str, StoredFile]:
        """Return all files below a folder, by path."""
        return self._request(lambda: _stored_files(chain.from_iterable(obstore.list(self.store, check_path(folder)))))

    def folder_content(self, folder: str) -> tuple[list[str], dict[str, StoredFile]]:
        """Return the names of the folders in a folder, and the files directly in it by path."""
        listing = self._request(lambda: obstore.list_with_delimiter(self.store, folder or None))
        folders = [prefix.rstrip("/").rpartition("/")[2] for prefix in listing["common_prefixes"]]
        return folders, _stored_files(listing["objects"])

    def put_if_unchanged(self, path: str, data: bytes | Path, etag: str | None) -> str | None:
        """Write a file if it still has that ETag (None: if it does not exist); return the new one.

        Raises ConflictError if another publisher wrote it first.
        """
        return self.put(path, data, "create" if etag is None else {"e_tag": etag})

    def download(self, path: str, target: Path, limit: int) -> str:
        return self.stream(path, lambda blocks: write_hashed(blocks, target, limit), _DOWNLOAD_BLOCK) or ""

    def create(self, path: str, source: Path) -> None:
        if self.size(path) is None:
            with suppress(ConflictError):
                self.put_if_unchanged(path, source, None)

    def put(self, path: str, data: bytes | Path, mode: Any = "overwrite") -> str | None:
        def put() -> str | None:
            return obstore.put(self.store, check_path(path), data, attributes=_http_headers(path), mode=mode)["e_tag"]

        try:
            return self._request(put)
        except exceptions.NotFoundError as error:
            raise self._error(error) from None
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise ConflictError(
                f"{self.location}/{path} was changed by another publisher.", "Run the same command again."
            ) from None

    def _none_if_missing(self, call: Callable[[], T]) -> T | None:
        try:
            return self._request(call)
        except exceptions.NotFoundError as error:
            if _NO_BUCKET in str(error):
                raise self._error(error) from None
            return None

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
        return s3_errors.external_error(self.location, str(error), self.progress)


def _stored_files(objects: Iterable[Any]) -> dict[str, StoredFile]:
    return {entry["path"]: StoredFile(entry["size"], entry["e_tag"]) for entry in objects}


def _http_headers(path: str) -> dict[str, str]:
    """Return what the bucket sends with a file: its type, and how long caches may keep it."""
    return {
        "Cache-Control": _CACHE_FOREVER if is_immutable(path) else _CACHE_BRIEFLY,
        "Content-Type": _CONTENT_TYPES.get(Path(path).suffix, "text/plain; charset=utf-8"),
    }


def is_immutable(path: str) -> bool:
    """Return whether a file never changes under its name: packages, and names with a digest."""
    parts = path.split("/")
    hashed = "by-hash" in parts or ("repodata" in parts and "-" in parts[-1])
    return (hashed and parts[-1] != "index.html") or path.endswith((".deb", ".rpm"))
