"""Files over HTTP(S): retried and resumed, in constant memory."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import urlsplit

from kubeparcel.beneath import open_without_links
from kubeparcel.errors import DownloadError, Unreachable
from kubeparcel.files import translate_os_errors
from kubeparcel.packages import limits
from kubeparcel.packages.limits import Limit
from kubeparcel.sanitize import is_number, redact_url
from kubeparcel.sources.http.request import (
    ABSENT,
    first_bytes,
    interrupted,
    iter_body,
    open_response,
    read_body,
    status_error,
)
from kubeparcel.sources.http.retry import RetryPolicy, parse_http_date, retry
from kubeparcel.sources.http.urls import host_of
from kubeparcel.sources.transport import FileStat, ProgressCallback
from kubeparcel.threads import CancelToken, parallel_map

if TYPE_CHECKING:
    import requests

    from kubeparcel.sources.http.session import Session

MAX_TEXT = 1 << 16
"""Bytes of a text file that are read; the files have a few hundred."""

MAX_ANSWER = 1 << 20
"""The longest answer of a service in bytes; those of transparency logs have a few thousand."""

_NO_SERVICE = frozenset({400, 404, 405, 410, 501})
"""What servers answer that have no such service, as a mirror of files."""


@dataclass(frozen=True)
class HttpTransport:
    """Upstream itself, or a mirror that has its files as BASE_URL/HOST/PATH."""

    base_url: str
    policy: RetryPolicy
    largest: Limit = limits.DOWNLOAD
    verb: ClassVar[str] = "Download"

    @functools.cached_property
    def session(self) -> Session:
        """One session for all threads, so that connections are reused."""
        from kubeparcel.sources.http.session import Session

        return Session(self.policy)

    def url(self, address: str) -> str:
        """Return the URL to request for an address; it may contain credentials."""
        parts = urlsplit(address)
        if not self.base_url:
            return address
        return f"{self.base_url.rstrip('/')}/{parts.netloc}{parts.path}"

    def location(self, address: str) -> str:
        return redact_url(self.url(address))

    def probe(self, address: str) -> None:
        timeout = self.policy.probe_timeout
        quick = RetryPolicy(connect_timeout=timeout, read_timeout=timeout, attempts=1)
        transport = dataclasses.replace(self, policy=quick)
        try:
            parallel_map(transport._require, [address], timeout=timeout)
        except TimeoutError:
            host = host_of(self.url(address))
            raise Unreachable(f"{host} did not answer within {timeout:g} s.") from None
        except DownloadError as error:
            raise Unreachable(error.message, error.hint) from None

    def _require(self, address: str, token: CancelToken) -> None:
        if self.read(address, token) is None:
            raise status_error(self.url(address), 404)

    def read(self, address: str, token: CancelToken) -> str | None:
        data = retry(self.policy, token, lambda: read_body(self.session, self.url(address), token, MAX_TEXT))
        return None if data is None else data.decode("utf-8", "replace")

    def ask(self, address: str, document: Any, token: CancelToken) -> bytes | None:
        url, headers = self.url(address), {"Content-Type": "application/json", "Accept": "application/json"}

        def attempt() -> bytes | None:
            with open_response(self.session, url, token, headers, _NO_SERVICE, json.dumps(document)) as response:
                if response.status_code in _NO_SERVICE:
                    return None
                return first_bytes(iter_body(response, redact_url(url), self.policy), MAX_ANSWER + 1)

        answer = retry(self.policy, token, attempt)
        if answer and len(answer) > MAX_ANSWER:
            raise DownloadError(f"{redact_url(url)} answered with more than {MAX_ANSWER} bytes.")
        return answer

    def stat(self, address: str, token: CancelToken) -> FileStat | None:
        def attempt() -> FileStat | None:
            # Not HEAD: a URL that a redirect has signed may be valid for GET only.
            with open_response(self.session, self.url(address), token, {"Range": "bytes=0-0"}) as response:
                if response.status_code in ABSENT:
                    return None
                _, size = content_range(response.status_code, response.headers, 0) or (0, None)
                return FileStat(size, parse_http_date(response.headers.get("Last-Modified")))

        return retry(self.policy, token, attempt)

    def copy(self, address: str, part: Path, on_progress: ProgressCallback, token: CancelToken) -> str:
        validator: dict[str, str] = {}

        def attempt() -> str:
            size = _size(part)
            headers = {"Range": f"bytes={size}-", **validator} if size else {}
            with open_response(self.session, self.url(address), token, headers) as response:
                if response.status_code in ABSENT:
                    raise status_error(self.url(address), response.status_code)
                # Only a strong ETag identifies the exact bytes (RFC 9110, 13.1.5).
                etag = response.headers.get("ETag", "W/")
                validator.update({} if etag.startswith("W/") else {"If-Range": etag})
                return self._receive(response, address, part, on_progress, token)

        return retry(self.policy, token, attempt, lambda: _size(part))

    def _receive(
        self, response: requests.Response, address: str, part: Path, on_progress: ProgressCallback, token: CancelToken
    ) -> str:
        """Append the body to a partial file, and return the SHA-256 of the whole file."""
        location = self.location(address)
        with translate_os_errors(part), open(part, "a+b", opener=open_without_links) as file:
            span = content_range(response.status_code, response.headers, file.tell())
            size, total = span or (0, None)
            file.truncate(size)
            if span is None:
                raise interrupted(location, "replaced the file")
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256")
            on_progress(size, total)
            blocks = iter_body(response, location, self.policy) if size != total else ()
            for block in blocks:
                token.raise_if_cancelled()
                file.write(block)
                digest.update(block)
                size += len(block)
                if size > self.largest.maximum:
                    raise DownloadError(f"{self.largest.exceeded(location)}.", "It is not the expected file.")
                on_progress(size, total)
        # A cancelled body looks like one that has ended.
        token.raise_if_cancelled()
        if total is not None and size != total:
            raise interrupted(location, "closed the connection")
        return digest.hexdigest()


class Headers(Protocol):
    """The headers of a response."""

    def get(self, name: str, default: str, /) -> str:
        """Return the value of a header."""


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def content_range(status: int, headers: Headers, size: int) -> tuple[int, int | None] | None:
    """Return the offset of the body in the file, and the size of the file (None if unknown).

    A server without ranges sends the whole file. Returns None if the body does not continue a
    partial file of `size` bytes, which must then be of another file.
    """
    if status == 200:
        length = headers.get("Content-Length", "")
        return 0, int(length) if is_number(length) else None
    header = headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (?:([0-9]{1,19})-[0-9]{1,19}|\*)/([0-9]{1,19}|\*)", header)
    total = int(match[2]) if match and match[2] != "*" else None
    offset = int(match[1]) if match and match[1] else total
    return (size, total) if offset == size else None
