"""A repository in an S3-compatible bucket: the state and the entry files change conditionally."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from kubeparcel.errors import ConfigurationError, ExternalError, ToolError
from kubeparcel.repository.storage import s3_lease
from kubeparcel.repository.storage.base import ConflictError, FolderSwap, T, check_path

TIMEOUT = timedelta(seconds=60)
"""How long a server may take for an answer, and how long it is asked again."""

_WORKERS = 8
_FOREVER = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=60, must-revalidate"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".xml": "application/xml",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
    ".xz": "application/x-xz",
    ".deb": "application/vnd.debian.binary-package",
    ".rpm": "application/x-rpm",
    ".gpg": "application/octet-stream",
}


class S3Storage:
    """A prefix in a bucket; `store` is obstore's."""

    def __init__(self, store: Any, where: str, address: str) -> None:
        self.store = store
        self.location = where
        self.base_url = address
        self._tags: dict[str, str | None] = {}
        self._lease: s3_lease.Lease | None = None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """The bucket of an `s3://BUCKET/PREFIX`; the rest is in AWS_* of the environment."""
        try:
            from obstore.store import S3Store
        except ImportError:
            raise ToolError(
                "Publishing to S3 needs the library obstore.", "pip install 'kubeparcel[s3]'"
            ) from None
        name, _, prefix = url.removeprefix("s3://").strip("/").partition("/")
        if not name or (prefix and check_path(prefix) != prefix):
            raise ConfigurationError(f"{url} names no bucket.", "Write s3://BUCKET/PREFIX.")
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
        more: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
        store = S3Store(
            name,
            prefix=prefix or None,
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": TIMEOUT},
            retry_config={"max_retries": 3, "retry_timeout": TIMEOUT},
            **more,
        )
        base = f"{endpoint.rstrip('/')}/{name}" if endpoint else f"https://{name}.s3.amazonaws.com"
        return cls(store, url.rstrip("/"), f"{base}/{prefix}".rstrip("/"))

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        def get() -> bytes | None:
            import obstore

            if limit is not None:
                size = obstore.head(self.store, check_path(path))["size"]
                return bytes(obstore.get_range(self.store, path, start=0, end=min(limit, size)))
            found = obstore.get(self.store, check_path(path))
            self._tags[path] = found.meta["e_tag"]
            return bytes(found.bytes())

        return self._none_if_missing(get, path)

    def _none_if_missing(self, work: Callable[[], T], path: str) -> T | None:
        from obstore.exceptions import NotFoundError

        try:
            return self._request(work)
        except NotFoundError:
            self._tags[path] = None
            return None

    def file_sizes(self, prefix: str) -> dict[str, int]:
        def every() -> dict[str, int]:
            import obstore

            pages = obstore.list(self.store, check_path(prefix))
            return {row["path"]: row["size"] for page in pages for row in page}

        return self._request(every)

    def file_names(self, folder: str) -> list[str]:
        def here() -> list[str]:
            import obstore

            found = obstore.list_with_delimiter(self.store, folder or None)
            return sorted(row["path"].rpartition("/")[2] for row in found["objects"])

        return self._request(here)

    def add(self, files: Sequence[tuple[str, str]]) -> None:
        self._each(lambda row: self._put(row[0], Path(row[1])), files)

    def copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        def one(pair: tuple[str, str]) -> None:
            import obstore

            self._ours()
            self._request(
                lambda: obstore.copy(self.store, check_path(pair[0]), check_path(pair[1]))
            )

        self._each(one, pairs)

    def write(self, files: Mapping[str, bytes]) -> None:
        self._each(lambda row: self._put(*row), list(files.items()))

    def remove(self, paths: Iterable[str]) -> None:
        rows = [check_path(path) for path in paths]

        def work() -> None:
            import obstore

            obstore.delete(self.store, rows)

        if rows:
            self._ours()
            self._none_if_missing(work, "")

    def swap(self, swaps: Sequence[FolderSwap], begin: Mapping[str, bytes]) -> None:
        live = {swap.folder: self.file_sizes(swap.folder) for swap in swaps}
        entries = [
            (f"{s.folder}/{name}", s.new_files[name]) for s in swaps for name in s.entry_files
        ]
        last = {path for path, _ in entries}
        for path in last:
            self._tags[path] = self._tag(path)
        fresh = {f"{s.folder}/{name}": data for s in swaps for name, data in s.new_files.items()}
        hashed = {p: d for p, d in fresh.items() if p not in last and is_immutable(p)}
        self.write({p: d for p, d in hashed.items() if p not in live[_of(p, swaps)]})
        for path, data in begin.items():
            self._put(path, data, conditional=path in self._tags)
        self.write({p: d for p, d in fresh.items() if p not in last and p not in hashed})
        for path, data in entries:
            self._put(path, data, conditional=True)
        for swap in swaps:
            stay = {f"{swap.folder}/{name}" for name in (*swap.new_files, *swap.kept_files)}
            self.remove(sorted(set(live[swap.folder]) - stay))

    @contextmanager
    def lease(self, wait: float) -> Iterator[int]:
        with s3_lease.acquire_lease(self, wait) as held:
            self._lease = held
            try:
                yield held.token
            finally:
                self._lease = None

    def put_if_unchanged(self, path: str, data: bytes, tag: str | None) -> str | None:
        """Put a file if it is still the one of that tag, or still not there; gives its new tag.

        Raises Refused when another was faster.
        """
        self._tags[path] = tag
        return self._put(path, data, conditional=True)

    def read_with_etag(self, path: str) -> tuple[bytes | None, str | None]:
        """A file and its tag; neither when there is none."""
        data = self.read(path)
        return data, self._tags.get(path)

    def _ours(self) -> None:
        """Go on only while the lease holds: who lost it must not touch what another makes."""
        if self._lease is not None:
            self._lease.check()

    def _tag(self, path: str) -> str | None:
        import obstore

        return self._none_if_missing(lambda: obstore.head(self.store, path)["e_tag"], path)

    def _put(self, path: str, data: bytes | Path, conditional: bool = False) -> str | None:
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

        self._ours()
        attributes = {
            "Cache-Control": _FOREVER if is_immutable(path) else _SHORT,
            "Content-Type": _TYPES.get(Path(path).suffix, "text/plain; charset=utf-8"),
        }
        mode: Any = "overwrite"
        if conditional:
            tag = self._tags.get(path)
            mode = "create" if tag is None else {"e_tag": tag}

        def work() -> str | None:
            import obstore

            done = obstore.put(self.store, check_path(path), data, attributes=attributes, mode=mode)
            return done["e_tag"]

        try:
            tag = self._request(work)
        except NotFoundError:
            raise ExternalError(
                f"{self.location}: there is no such bucket.",
                "Make it, or check its name, AWS_ENDPOINT_URL and AWS_REGION.",
            ) from None
        except (AlreadyExistsError, PreconditionError):
            raise ConflictError(
                f"{self.location}/{path}: another publisher changed it meanwhile.",
                "Run the same command again.",
            ) from None
        self._tags[path] = tag
        return tag

    def _each(self, work: Callable[[T], object], rows: Sequence[T]) -> None:
        with ThreadPoolExecutor(_WORKERS) as pool:
            for job in [pool.submit(work, row) for row in rows]:
                job.result()

    def _request(self, work: Callable[[], T]) -> T:
        """Ask the server; what goes wrong there is told in a line."""
        from obstore import exceptions as wrong

        try:
            return work()
        except (wrong.NotFoundError, wrong.AlreadyExistsError, wrong.PreconditionError):
            raise
        except FileNotFoundError:
            raise wrong.NotFoundError from None
        except (wrong.PermissionDeniedError, wrong.UnauthenticatedError):
            raise ExternalError(
                f"{self.location}: the server does not let us in (403 or 401).",
                "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy.",
            ) from None
        except wrong.BaseError as error:
            said = str(error).split("\n", 1)[0][:300]
            raise ExternalError(
                f"{self.location}: {said}", "Nothing is half-published: run it again."
            ) from None


def is_immutable(path: str) -> bool:
    """Whether what is under this name never changes: package files and names with a digest."""
    parts = path.split("/")
    hashed = "by-hash" in parts or ("repodata" in parts and "-" in parts[-1])
    return (hashed and parts[-1] != "index.html") or path.endswith((".deb", ".rpm"))


def _of(path: str, swaps: Iterable[FolderSwap]) -> str:
    return next(swap.folder for swap in swaps if path.startswith(f"{swap.folder}/"))
