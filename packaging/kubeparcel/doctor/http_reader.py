"""A repository behind http: asked as apt and dnf ask, with a second try where that may help."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from typing import TypeVar
from urllib.parse import quote, unquote

from kubeparcel.errors import ConfigurationError, DownloadError
from kubeparcel.repository.storage.base import check_path
from kubeparcel.sources.http.errors import connection_error, redact_url
from kubeparcel.sources.http.request import ABSENT, iter_body, status_error
from kubeparcel.sources.http.retry import RetryPolicy, TransientError, retry
from kubeparcel.sources.http.session import create_session
from kubeparcel.threads import CancelToken

T = TypeVar("T")
RETRY_POLICY = RetryPolicy(attempts=3)
_HIDDEN = 403
"""What buckets answer for a file that is not there, when nobody may list them."""

_LINK = re.compile(r"""href\s*=\s*["']([^"'?#]+)["']""", re.IGNORECASE)
_MOST_FOLDERS = 2000


class HttpReader:
    """A repository behind http; `refused` are addresses that the server did not let us read."""

    def __init__(self, url: str, patience: RetryPolicy = RETRY_POLICY) -> None:
        self.location = url if url.endswith("/") else f"{url}/"
        self.patience = patience
        self.forbidden_urls: list[str] = []
        self._stop = CancelToken()
        self._session = create_session()

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        return self._got(check_path(path), use)

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        if limit is None:
            return self._got(check_path(path), b"".join)
        wanted = {"Range": f"bytes=0-{limit - 1}"}
        data = self._got(check_path(path), lambda blocks: next(blocks, b""), wanted)
        return None if data is None else data[:limit]

    def _got(
        self,
        path: str,
        use: Callable[[Iterator[bytes]], T],
        headers: Mapping[str, str] | None = None,
    ) -> T | None:
        # As apt writes it: buckets take a bare + for a space.
        url = self.location + quote(path, safe="/:~")
        return retry(self.patience, self._stop, lambda: self._once(url, use, headers or {}))

    def _once(
        self, url: str, use: Callable[[Iterator[bytes]], T], headers: Mapping[str, str]
    ) -> T | None:
        from urllib3.exceptions import HTTPError

        limits = (self.patience.connect_timeout, self.patience.read_timeout)
        try:
            answer = self._session.get(url, headers=dict(headers), stream=True, timeout=limits)
        except (OSError, ValueError, HTTPError) as error:
            raise connection_error(url, error, self.patience) from None
        with answer:
            code = answer.status_code
            if code == _HIDDEN:
                self.forbidden_urls.append(redact_url(url))
            if code in {_HIDDEN, *ABSENT}:
                return None
            if code not in {200, 206}:
                wrong = status_error(url, code)
                raise TransientError(wrong) if code >= 500 or code == 429 else wrong
            return self._used(use, iter_body(answer, redact_url(url), self.patience))

    @staticmethod
    def _used(use: Callable[[Iterator[bytes]], T], blocks: Iterator[bytes]) -> T:
        try:
            return use(blocks)
        except TransientError as broken:
            todo = "Its clients see the same: look at the server, or run it again."
            raise TransientError(DownloadError(str(broken.error.message), todo)) from None

    def list_folder(self, folder: str) -> Sequence[str] | None:
        """By the page that servers make of a folder."""
        data = self._got(f"{folder}/" if folder else "", b"".join)
        if data is None or b"href" not in data.lower():
            return None
        names = (unquote(unescape(name)) for name in _LINK.findall(data.decode("utf-8", "replace")))
        here = (name.removeprefix("./") for name in names)
        return [name for name in dict.fromkeys(here) if _inside(name)]

    def file_sizes(self, prefix: str) -> dict[str, int] | None:
        """By these pages too; the sizes are not known there (-1)."""
        found: dict[str, int] = {}
        todo = [prefix]
        seen = set(todo)
        while todo and len(seen) < _MOST_FOLDERS:
            folder = todo.pop()
            names = self.list_folder(folder)
            if names is None and folder == prefix:
                return None
            for name in names or ():
                path = f"{folder}/{name.rstrip('/')}".lstrip("/")
                if not name.endswith("/"):
                    found[path] = -1
                elif path not in seen:
                    seen.add(path)
                    todo.append(path)
        return found


def _inside(name: str) -> bool:
    try:
        check_path(name.rstrip("/"))
    except ConfigurationError:
        return False
    return "/" not in name.rstrip("/") and ":" not in name.partition("/")[0][:6]
