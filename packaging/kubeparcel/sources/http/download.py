"""Files over HTTP(S): resumed after a break, tried again when that may help, in constant memory."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from kubeparcel.errors import DownloadError, Unreachable
from kubeparcel.sources.http.errors import host_of, redact_url
from kubeparcel.sources.http.request import (
    ABSENT,
    interrupted,
    iter_body,
    open_response,
    status_error,
)
from kubeparcel.sources.http.retry import RetryPolicy, parse_http_date, retry
from kubeparcel.store import translate_os_errors
from kubeparcel.threads import CancelToken, parallel_map

if TYPE_CHECKING:
    import requests

    from kubeparcel.sources.transport import ProgressCallback

SMALL = 1 << 16


@dataclass(frozen=True)
class HttpTransport:
    """Upstream itself, or a mirror that has its files as BASE/HOST/PATH."""

    base_url: str
    policy: RetryPolicy
    verb: ClassVar[str] = "Download"

    @functools.cached_property
    def session(self) -> requests.Session:
        """Shared by all threads, so that connections are used again."""
        from kubeparcel.sources.http.session import create_session

        return create_session()

    def url(self, address: str) -> str:
        """What is asked for to get the file of an address; may hold a password."""
        parts = urlsplit(address)
        return (
            f"{self.base_url.rstrip('/')}/{parts.netloc}{parts.path}" if self.base_url else address
        )

    def location(self, address: str) -> str:
        return redact_url(self.url(address))

    def probe(self, address: str) -> None:
        limit = self.policy.probe_timeout
        quick = RetryPolicy(connect_timeout=limit, read_timeout=limit, attempts=1)
        try:
            parallel_map(dataclasses.replace(self, policy=quick)._known, [address], timeout=limit)
        except TimeoutError:
            name = host_of(self.url(address))
            raise Unreachable(f"{name} did not answer within {limit:g} s.") from None
        except DownloadError as error:
            raise Unreachable(error.message, error.hint) from None

    def _known(self, address: str, stop: CancelToken) -> None:
        if self.read(address, stop) is None:
            raise status_error(self.url(address), 404)

    def read(self, address: str, stop: CancelToken) -> str | None:
        def attempt() -> str | None:
            with self._asked(address, stop) as response:
                if response.status_code in ABSENT:
                    return None
                text = bytearray()
                for block in iter_body(response, self.location(address), self.policy):
                    text += block
                    if len(text) > SMALL:
                        break
                return text.decode("utf-8", "replace")

        return retry(self.policy, stop, attempt)

    def last_modified(self, address: str, stop: CancelToken) -> int | None:
        def attempt() -> int | None:
            # A byte and not HEAD: an address that a redirect has signed may be good for GET only.
            with self._asked(address, stop, {"Range": "bytes=0-0"}) as response:
                absent = response.status_code in ABSENT
                return None if absent else parse_http_date(response.headers.get("Last-Modified"))

        return retry(self.policy, stop, attempt)

    def copy(self, address: str, part: Path, at: ProgressCallback, stop: CancelToken) -> str:
        validator: dict[str, str] = {}

        def attempt() -> str:
            have = _size(part)
            headers = {"Range": f"bytes={have}-", **validator} if have else {}
            with self._asked(address, stop, headers) as response:
                if response.status_code in ABSENT:
                    raise status_error(self.url(address), response.status_code)
                # Only a strong one names the very bytes (RFC 9110, 13.1.5).
                etag = response.headers.get("ETag", "W/")
                validator.update({} if etag.startswith("W/") else {"If-Range": etag})
                return self._arrive(response, address, part, at, stop)

        return retry(self.policy, stop, attempt, lambda: _size(part))

    def _arrive(
        self,
        response: requests.Response,
        address: str,
        part: Path,
        at: ProgressCallback,
        stop: CancelToken,
    ) -> str:
        """Write the body where the part ends; give the sha256 of all."""
        where = self.location(address)
        with translate_os_errors(part), part.open("a+b") as file:
            span = _span(response, file.tell())
            here, total = span or (0, None)
            file.truncate(here)
            if span is None:
                raise interrupted(where, "has another file than the one it began to send")
            file.seek(0)
            found = hashlib.file_digest(file, "sha256")
            at(here, total)
            for block in iter_body(response, where, self.policy) if here != total else ():
                stop.raise_if_cancelled()
                file.write(block)
                found.update(block)
                here += len(block)
                at(here, total)
        # What was interrupted looks like an end.
        stop.raise_if_cancelled()
        if total is not None and here != total:
            raise interrupted(where, "broke the connection off")
        return found.hexdigest()

    @contextmanager
    def _asked(
        self, address: str, stop: CancelToken, headers: Mapping[str, str] | None = None
    ) -> Iterator[requests.Response]:
        with open_response(
            self.session, self.url(address), headers or {}, self.policy, stop
        ) as response:
            yield response


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _span(response: requests.Response, have: int) -> tuple[int, int | None] | None:
    """Where in the file the body begins, and how long the file is in all (None: not said).

    A server that does not know ranges sends the file from its beginning. None: it cannot go on
    from what we have, so that this must be of another file.
    """
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    said = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "")
    )
    total = int(said[2]) if said and said[2] != "*" else None
    begin = int(said[1]) if said and said[1] else total
    return (have, total) if begin == have else None
