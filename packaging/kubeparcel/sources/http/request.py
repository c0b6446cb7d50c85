"""A single HTTP request: its response, its body, and the errors of both."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import TYPE_CHECKING

from kubeparcel.errors import DownloadError
from kubeparcel.sources.http.errors import connection_error, describe_error, describe_status
from kubeparcel.sources.http.retry import RetryPolicy, TransientError, parse_retry_after
from kubeparcel.sources.http.urls import redact_url
from kubeparcel.threads import CancelToken

if TYPE_CHECKING:
    import requests

BLOCK_SIZE = 1 << 20
ABSENT = frozenset({404, 410})
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


def send_request(
    session: requests.Session, url: str, headers: Mapping[str, str], policy: RetryPolicy
) -> requests.Response:
    """Return the response to a GET request, before its body.

    Raises Unreachable without a response, as TransientError if a retry may help.
    """
    from urllib3.exceptions import HTTPError

    timeouts = (policy.connect_timeout, policy.read_timeout)
    try:
        return session.get(url, headers=headers, stream=True, timeout=timeouts)
    except (OSError, ValueError, HTTPError) as error:
        raise connection_error(url, error, policy) from None


@contextmanager
def open_response(
    session: requests.Session, url: str, headers: Mapping[str, str], policy: RetryPolicy, token: CancelToken
) -> Iterator[requests.Response]:
    """Yield the response for a file that exists, or one whose status is in ABSENT.

    The status may also be 416 if the request has a Range. Raises DownloadError for any other
    status and Unreachable without a response, as TransientError if a retry may help.
    """
    token.raise_if_cancelled()
    response = send_request(session, url, headers, policy)
    with response, token.on_cancel(functools.partial(_interrupt, response)):
        _check_status(response, url, ranged="Range" in headers)
        yield response


def _check_status(response: requests.Response, url: str, *, ranged: bool) -> None:
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise DownloadError(f"{redact_url(url)} redirects to an address without TLS.")
    code = response.status_code
    if code in _TRANSIENT:
        pause = parse_retry_after(response.headers.get("Retry-After"))
        raise TransientError(status_error(url, code), pause)
    if code not in {200, 206, *ABSENT} and not (code == 416 and ranged):
        raise status_error(url, code)


def status_error(url: str, code: int) -> DownloadError:
    """Return the error for an HTTP status."""
    description, hint = describe_status(code)
    return DownloadError(f"{redact_url(url)} {description}.", hint)


def iter_body(response: requests.Response, location: str, policy: RetryPolicy) -> Iterator[bytes]:
    """Yield the body in blocks as they arrive.

    Raises TransientError if the connection breaks or the server sends less than the policy's
    minimum rate.
    """
    from urllib3.exceptions import HTTPError

    received, started = 0, time.monotonic()
    while True:
        try:
            # read1 returns what has arrived; waiting for a full block would hide a slow server.
            block = response.raw.read1(BLOCK_SIZE, decode_content=False)
        except (HTTPError, HTTPException, OSError) as error:
            raise interrupted(location, describe_error(error, policy.read_timeout)[0]) from None
        if not block:
            return
        yield block
        received, elapsed = received + len(block), time.monotonic() - started
        if elapsed >= policy.read_timeout:
            if received < elapsed * policy.min_rate:
                raise interrupted(location, f"sent only {received} bytes in {elapsed:.0f} s")
            received, started = 0, time.monotonic()


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
