"""Reads repositories by HTTP, with the requests of apt and dnf; transient errors are retried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from typing import TypeVar
from urllib.parse import quote, unquote

from kubeparcel.errors import ConfigurationError, DownloadError
from kubeparcel.repository.storage.base import check_path
from kubeparcel.sources.http.errors import connection_error
from kubeparcel.sources.http.request import ABSENT, iter_body, status_error
from kubeparcel.sources.http.retry import RetryPolicy, TransientError, retry
from kubeparcel.sources.http.session import create_session
from kubeparcel.sources.http.urls import redact_url
from kubeparcel.threads import CancelToken

T = TypeVar("T")
RETRY_POLICY = RetryPolicy(attempts=3)
_FORBIDDEN = 403
"""Buckets also answer this for a missing file if listing is not allowed."""

_LINK = re.compile(r"""href\s*=\s*["']([^"'?#]+)["']""", re.IGNORECASE)
_MAX_FOLDERS = 2000


class HttpReader:
    """A repository at a URL; `forbidden_urls` were answered with 403."""

    def __init__(self, url: str, retry_policy: RetryPolicy = RETRY_POLICY) -> None:
        self.location = url if url.endswith("/") else f"{url}/"
        self.retry_policy = retry_policy
        self.forbidden_urls: list[str] = []
        self._cancel_token = CancelToken()
        self._session = create_session()

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        return self._get(check_path(path), use)

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        if limit is None:
            return self._get(check_path(path), b"".join)
        headers = {"Range": f"bytes=0-{limit - 1}"}
        data = self._get(check_path(path), lambda blocks: next(blocks, b""), headers)
        return None if data is None else data[:limit]

    def read_url(self) -> bytes | None:
        """Return the document at the URL itself; None if there is none."""
        url = self.location.rstrip("/")
        return retry(self.retry_policy, self._cancel_token, lambda: self._get_once(url, b"".join, {}))

    def _get(
        self, path: str, use: Callable[[Iterator[bytes]], T], headers: Mapping[str, str] | None = None
    ) -> T | None:
        # Quoted as apt does: buckets take a bare + for a space.
        url = self.location + quote(path, safe="/:~")
        return retry(self.retry_policy, self._cancel_token, lambda: self._get_once(url, use, headers or {}))

    def _get_once(self, url: str, use: Callable[[Iterator[bytes]], T], headers: Mapping[str, str]) -> T | None:
        from urllib3.exceptions import HTTPError

        policy = self.retry_policy
        timeouts = (policy.connect_timeout, policy.read_timeout)
        try:
            response = self._session.get(url, headers=dict(headers), stream=True, timeout=timeouts)
        except (OSError, ValueError, HTTPError) as error:
            raise connection_error(url, error, policy) from None
        with response:
            status = response.status_code
            if status == _FORBIDDEN:
                self.forbidden_urls.append(redact_url(url))
            if status in {_FORBIDDEN, *ABSENT}:
                return None
            if status not in {200, 206}:
                failure = status_error(url, status)
                raise TransientError(failure) if status >= 500 or status == 429 else failure
            return self._use(use, iter_body(response, redact_url(url), policy))

    @staticmethod
    def _use(use: Callable[[Iterator[bytes]], T], blocks: Iterator[bytes]) -> T:
        try:
            return use(blocks)
        except TransientError as error:
            hint = "Clients see the same. Check the server, or run the command again."
            raise TransientError(DownloadError(str(error.error.message), hint)) from None

    def list_folder(self, folder: str) -> Sequence[str] | None:
        """Return the names that the server's HTML page of a folder links to."""
        data = self._get(f"{folder}/" if folder else "", b"".join)
        if data is None or b"href" not in data.lower():
            return None
        links = _LINK.findall(data.decode("utf-8", "replace"))
        names = (unquote(unescape(link)).removeprefix("./") for link in links)
        return [name for name in dict.fromkeys(names) if _is_name(name)]

    def file_sizes(self, prefix: str) -> dict[str, int] | None:
        """Return the files that such pages list; their sizes are unknown (-1)."""
        sizes: dict[str, int] = {}
        pending = [prefix]
        visited = set(pending)
        while pending and len(visited) < _MAX_FOLDERS:
            folder = pending.pop()
            names = self.list_folder(folder)
            if names is None and folder == prefix:
                return None
            for name in names or ():
                path = f"{folder}/{name.rstrip('/')}".lstrip("/")
                if not name.endswith("/"):
                    sizes[path] = -1
                elif path not in visited:
                    visited.add(path)
                    pending.append(path)
        return sizes


def _is_name(link: str) -> bool:
    """Return whether a link leads to a file or folder directly in the listed folder."""
    try:
        check_path(link.rstrip("/"))
    except ConfigurationError:
        return False
    return "/" not in link.rstrip("/") and ":" not in link.partition("/")[0][:6]
