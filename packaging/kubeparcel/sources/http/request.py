"""A single HTTP request: its response, its body, and the errors of both."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import TYPE_CHECKING

from kubeparcel.errors import DownloadError
from kubeparcel.sanitize import redact_url
from kubeparcel.sources.http.errors import connection_error, describe_error, describe_status
from kubeparcel.sources.http.retry import RetryPolicy, TransientError, parse_retry_after
from kubeparcel.threads import CancelToken

if TYPE_CHECKING:
    import requests

    from kubeparcel.sources.http.session import Session


BLOCK_SIZE = 1 << 20
ABSENT = frozenset({404, 410})
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


@contextmanager
def open_response(
    session: Session,
    url: str,
    token: CancelToken,
    headers: Mapping[str, str] | None = None,
    absent: frozenset[int] = ABSENT,
    document: str = "",
) -> Iterator[requests.Response]:
    """Yield the response for a file that exists, or to a document, or one whose status is in `absent`.

    The status may also be 416 if the request has a Range. Raises DownloadError for any other
    status and Unreachable without a response, as TransientError if a retry may help.
    """
    from urllib3.exceptions import HTTPError

    token.raise_if_cancelled()
    try:
        response = session.open(url, headers or {}, document)
    except (OSError, ValueError, HTTPError, HTTPException) as error:
        raise connection_error(url, error, session.policy) from None
    with response, token.on_cancel(functools.partial(_interrupt, response)):
        code = response.status_code
        if code in _TRANSIENT:
            pause = parse_retry_after(response.headers.get("Retry-After"))
            raise TransientError(status_error(url, code), pause)
        if code not in {200, 201, 206, *absent} and not (code == 416 and headers and "Range" in headers):
            raise status_error(url, code)
        yield response


def read_body(session: Session, url: str, token: CancelToken, limit: int) -> bytes | None:
    """Return a file, or its first `limit` bytes; None if it does not exist. Raises as `open_response`."""
    with open_response(session, url, token) as response:
        if response.status_code in ABSENT:
            return None
        return first_bytes(iter_body(response, redact_url(url), session.policy), limit)


def first_bytes(blocks: Iterator[bytes], limit: int) -> bytes:
    """Return the first `limit` bytes of blocks, without reading many more."""
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) >= limit:
            break
    return bytes(data[:limit])


def status_error(url: str, code: int) -> DownloadError:
    """Return the error for an HTTP status."""
    description, hint = describe_status(code)
    return DownloadError(f"{redact_url(url)} {description}.", hint)


def iter_body(response: requests.Response, location: str, policy: RetryPolicy) -> Iterator[bytes]:
    """Yield the body in blocks as they arrive. Raises TransientError if the connection breaks or is too slow."""
    from urllib3.exceptions import HTTPError

    while True:
        try:
            # read1 returns what has arrived: waiting for a full block would delay progress.
            block = response.raw.read1(BLOCK_SIZE, decode_content=False)
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            raise interrupted(location, describe_error(error, policy.read_timeout)[0]) from None
        if not block:
            return
        yield block


def interrupted(location: str, predicate: str) -> TransientError:
    """Return the error for a body that ended too early."""
    return TransientError(
        DownloadError(
            f"{location}: the server {predicate} in the middle of the file.",
            "The partial file was kept: run the same command again to resume.",
        )
    )


def _interrupt(response: requests.Response) -> None:
    """Wake up the thread that reads this body."""
    with suppress(OSError, ValueError, RuntimeError):
        response.raw.shutdown()
