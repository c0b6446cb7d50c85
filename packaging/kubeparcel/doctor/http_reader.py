"""Reads repositories by HTTP, with the requests of apt and dnf; transient errors are retried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import unescape
from typing import TypeVar
from urllib.parse import quote, unquote

from kubeparcel.errors import ConfigurationError, DownloadError
from kubeparcel.repository.storage.base import check_path
from kubeparcel.sources.http.request import ABSENT, first_bytes, iter_body, open_response
from kubeparcel.sources.http.retry import RetryPolicy, TransientError, retry
from kubeparcel.sources.http.session import Session
from kubeparcel.sources.http.urls import redact_url
from kubeparcel.threads import CancelToken

T = TypeVar("T")
RETRY_POLICY = RetryPolicy(attempts=3)
_FORBIDDEN = 403
"""Buckets also answer this for a missing file if listing is not allowed."""

_ABSENT = ABSENT | {_FORBIDDEN}

_LINK = re.compile(r"""href\s*=\s*["']([^"'?#]+)["']""", re.IGNORECASE)
_MAX_FOLDERS = 2000


class HttpReader:
    """A repository at a URL; `forbidden_urls` were answered with 403.

    `follow` has the further hosts that redirects and indexes may lead to. `local_kinds` are the kinds of local
    addresses that may be read if the URL is from an index; None for a URL from the user.
    """

    def __init__(
        self,
        url: str,
        retry_policy: RetryPolicy = RETRY_POLICY,
        follow: frozenset[str] = frozenset(),
        local_kinds: Iterable[str] | None = None,
    ) -> None:
        self.location = url if url.endswith("/") else f"{url}/"
        self.follow = follow
        self.forbidden_urls: list[str] = []
        self._cancel_token = CancelToken()
        self._session = Session(retry_policy, follow, local_kinds)

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        return self._get(check_path(path), use)

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        if limit is None:
            return self._get(check_path(path), b"".join)
        headers = {"Range": f"bytes=0-{limit - 1}"}
        return self._get(check_path(path), lambda blocks: first_bytes(blocks, limit), headers)

    @property
    def local_kinds(self) -> frozenset[str]:
        """Return the kinds of local addresses that the repository's server has."""
        return self._session.local_kinds

    def read_url(self, limit: int) -> bytes | None:
        """Return the first `limit` bytes of the document at the URL itself; None if there is none."""
        return self._get_url(self.location.rstrip("/"), lambda blocks: first_bytes(blocks, limit))

    def _get(
        self, path: str, use: Callable[[Iterator[bytes]], T], headers: Mapping[str, str] | None = None
    ) -> T | None:
        # Quoted as apt does: buckets take a bare + for a space.
        return self._get_url(self.location + quote(path, safe="/:~"), use, headers)

    def _get_url(
        self, url: str, use: Callable[[Iterator[bytes]], T], headers: Mapping[str, str] | None = None
    ) -> T | None:
        def attempt() -> T | None:
            with open_response(self._session, url, self._cancel_token, headers, _ABSENT) as response:
                if response.status_code == _FORBIDDEN:
                    self.forbidden_urls.append(redact_url(url))
                if response.status_code in _ABSENT:
                    return None
                return self._use(use, iter_body(response, redact_url(url), self._session.policy))

        return retry(self._session.policy, self._cancel_token, attempt)

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
