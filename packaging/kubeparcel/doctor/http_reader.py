"""Reads repositories by HTTP, with the requests of apt and dnf; transient errors are retried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import unescape
from typing import NamedTuple, TypeVar
from urllib.parse import quote, unquote

from kubeparcel.doctor.reader import check_size, read_document
from kubeparcel.errors import ConfigurationError, DownloadError
from kubeparcel.packages import limits
from kubeparcel.repository.storage.base import check_path
from kubeparcel.sanitize import redact_url
from kubeparcel.sources.http.request import ABSENT, first_bytes, iter_body, open_response
from kubeparcel.sources.http.retry import RetryPolicy, TransientError, retry
from kubeparcel.sources.http.session import Session
from kubeparcel.threads import CancelToken

T = TypeVar("T")
RETRY_POLICY = RetryPolicy(attempts=3)
_FORBIDDEN = 403
"""Buckets also answer this for a missing file if listing is not allowed."""

_ABSENT = ABSENT | {_FORBIDDEN}

_LINK = re.compile(r"""href\s*=\s*["']([^"'?#]+)["']""", re.IGNORECASE)
MAX_UNKNOWN_FOLDERS = 100
"""Folders that are visited although no index names a file in them."""


class LinkedFiles(NamedTuple):
    """The paths that a server's pages list; `complete` is false if not all folders were visited."""

    paths: list[str]
    complete: bool


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
            return read_document(self, path)
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
                try:
                    return use(iter_body(response, redact_url(url), self._session.policy))
                except TransientError as error:
                    hint = "Clients see the same. Check the server, or run the command again."
                    raise TransientError(DownloadError(str(error.error.message), hint)) from None

        return retry(self._session.policy, self._cancel_token, attempt)

    def list_folder(self, folder: str) -> Sequence[str] | None:
        """Return the names that the server's HTML page of a folder links to."""
        most = limits.LISTING.maximum + 1
        data = self._get(f"{folder}/" if folder else "", lambda blocks: first_bytes(blocks, most))
        check_size(limits.LISTING, len(data or b""), redact_url(f"{self.location}{folder}"))
        return None if data is None or b"href" not in data.lower() else link_names(data)

    def file_sizes(self, prefix: str) -> dict[str, int] | None:
        """Return the files that such pages list; their sizes are unknown (-1)."""
        listed = self.linked_files(prefix, ())
        return None if listed is None else dict.fromkeys(listed.paths, -1)

    def linked_files(self, prefix: str, known: Iterable[str]) -> LinkedFiles | None:
        """Return the files that such pages list below a folder; None if the server lists no folders.

        Folders that lead to `known` files are all visited, of others a limited number: a server can link to any.
        """
        justified = {folder for path in known for folder in _folders_above(path)}
        paths: list[str] = []
        pending, unjustified = [prefix], 0
        visited = set(pending)
        while pending:
            folder = pending.pop()
            unjustified += folder not in justified
            if unjustified > MAX_UNKNOWN_FOLDERS or len(paths) > limits.INDEX_ENTRIES.maximum:
                return LinkedFiles(paths, complete=False)
            names = self.list_folder(folder)
            if names is None and folder == prefix:
                return None
            for name in names or ():
                path = f"{folder}/{name.rstrip('/')}".lstrip("/")
                if not name.endswith("/"):
                    paths.append(path)
                elif path not in visited:
                    visited.add(path)
                    # Those that lead to known files come first.
                    pending.insert(len(pending) if path in justified else 0, path)
        return LinkedFiles(paths, complete=True)


def link_names(page: bytes) -> list[str]:
    """Return the names of files and folders directly in the listed folder that a page links to."""
    links = _LINK.findall(page.decode("utf-8", "replace"))
    names = (unquote(unescape(link)).removeprefix("./") for link in links)
    return [name for name in dict.fromkeys(names) if _is_name(name)]


def _folders_above(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def _is_name(link: str) -> bool:
    """Return whether a link leads to a file or folder directly in the listed folder."""
    try:
        check_path(link.rstrip("/"))
    except ConfigurationError:
        return False
    return "/" not in link.rstrip("/") and ":" not in link.partition("/")[0][:6]
