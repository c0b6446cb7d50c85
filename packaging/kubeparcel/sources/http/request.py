"""One request over HTTP(S): its answer, its body, and every way in which these can fail."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import TYPE_CHECKING

from kubeparcel.errors import DownloadError
from kubeparcel.sources.http.errors import (
    connection_error,
    describe_error,
    describe_status,
    redact_url,
)
from kubeparcel.sources.http.retry import RetryPolicy, TransientError, parse_retry_after
from kubeparcel.threads import CancelToken

if TYPE_CHECKING:
    import requests

BLOCK = 1 << 20
ABSENT = frozenset({404, 410})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@contextmanager
def open_response(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str],
    policy: RetryPolicy,
    token: CancelToken,
) -> Iterator[requests.Response]:
    """Ask for a file and give the answer, its body still to come.

    Raises DownloadError for an answer that is a refusal (other than ABSENT, and 416 to a Range),
    Unreachable when there is no answer; inside Passing when another attempt may help.
    """
    from urllib3.exceptions import HTTPError

    token.raise_if_cancelled()
    limits = (policy.connect_timeout, policy.read_timeout)
    try:
        response = session.get(url, headers=headers, stream=True, timeout=limits)
    except (OSError, ValueError, HTTPError) as error:
        raise connection_error(url, error, policy) from None
    with response, token.on_cancel(functools.partial(_interrupt, response)):
        _check(response, url, ranged="Range" in headers)
        yield response


def _check(response: requests.Response, url: str, *, ranged: bool) -> None:
    """Raise what an answer means that does not bring the file."""
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise DownloadError(f"{redact_url(url)} leads to an address without TLS.")
    code = response.status_code
    if code in _PASSING:
        raise TransientError(
            status_error(url, code), parse_retry_after(response.headers.get("Retry-After"))
        )
    if code not in {200, 206, *ABSENT} and not (code == 416 and ranged):
        raise status_error(url, code)


def status_error(url: str, code: int) -> DownloadError:
    """The error that a status of HTTP means."""
    said, todo = describe_status(code)
    return DownloadError(f"{redact_url(url)} {said}.", todo)


def iter_body(response: requests.Response, where: str, policy: RetryPolicy) -> Iterator[bytes]:
    """The body in pieces as they come; raises Passing when it breaks off or hardly moves."""
    from urllib3.exceptions import HTTPError

    came, since = 0, time.monotonic()
    while True:
        try:
            # What is there, and not a full block: waiting for one would hide that hardly any comes.
            block = response.raw.read1(BLOCK, decode_content=False)
        except (HTTPError, HTTPException, OSError) as error:
            raise interrupted(where, describe_error(error, policy.read_timeout)[0]) from None
        if not block:
            return
        yield block
        came, took = came + len(block), time.monotonic() - since
        if took >= policy.read_timeout:
            if came < took * policy.min_rate:
                raise interrupted(where, f"sent hardly anything for {took:.0f} s")
            came, since = 0, time.monotonic()


def interrupted(where: str, said: str) -> TransientError:
    """The error of a body that did not come to its end."""
    return TransientError(
        DownloadError(
            f"{where}: the server {said} in the middle of the file.",
            "What has arrived is kept: run the same command again, it goes on from there.",
        )
    )


def _interrupt(response: requests.Response) -> None:
    """Wake up the thread that waits for this body."""
    with suppress(OSError, ValueError, RuntimeError):
        response.raw.shutdown()
