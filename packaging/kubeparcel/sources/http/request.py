"""One request over HTTP(S): its answer, its body, and every way in which these can fail."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import TYPE_CHECKING

from kubeparcel.errors import DownloadError
from kubeparcel.sources.http.errors import answered, shown, unreachable, words
from kubeparcel.sources.http.retry import Passing, Patience, retry_after
from kubeparcel.threads import CancelToken

if TYPE_CHECKING:
    import requests

BLOCK = 1 << 20
ABSENT = frozenset({404, 410})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@contextmanager
def asked(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str],
    patience: Patience,
    stop: CancelToken,
) -> Iterator[requests.Response]:
    """Ask for a file and give the answer, its body still to come.

    Raises DownloadError for an answer that is a refusal (other than ABSENT, and 416 to a Range),
    Unreachable when there is no answer; inside Passing when another attempt may help.
    """
    from urllib3.exceptions import HTTPError

    stop.raise_if_cancelled()
    limits = (patience.connect, patience.silence)
    try:
        response = session.get(url, headers=headers, stream=True, timeout=limits)
    except (OSError, ValueError, HTTPError) as error:
        raise unreachable(url, error, patience) from None
    with response, stop.on_cancel(functools.partial(_interrupt, response)):
        _check(response, url, ranged="Range" in headers)
        yield response


def _check(response: requests.Response, url: str, *, ranged: bool) -> None:
    """Raise what an answer means that does not bring the file."""
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise DownloadError(f"{shown(url)} leads to an address without TLS.")
    code = response.status_code
    if code in _PASSING:
        raise Passing(refusal(url, code), retry_after(response.headers.get("Retry-After")))
    if code not in {200, 206, *ABSENT} and not (code == 416 and ranged):
        raise refusal(url, code)


def refusal(url: str, code: int) -> DownloadError:
    """The error that a status of HTTP means."""
    said, todo = answered(code)
    return DownloadError(f"{shown(url)} {said}.", todo)


def body(response: requests.Response, where: str, patience: Patience) -> Iterator[bytes]:
    """The body in pieces as they come; raises Passing when it breaks off or hardly moves."""
    from urllib3.exceptions import HTTPError

    came, since = 0, time.monotonic()
    while True:
        try:
            # What is there, and not a full block: waiting for one would hide that hardly any comes.
            block = response.raw.read1(BLOCK, decode_content=False)
        except (HTTPError, HTTPException, OSError) as error:
            raise broken(where, words(error, patience.silence)[0]) from None
        if not block:
            return
        yield block
        came, took = came + len(block), time.monotonic() - since
        if took >= patience.silence:
            if came < took * patience.slowest:
                raise broken(where, f"sent hardly anything for {took:.0f} s")
            came, since = 0, time.monotonic()


def broken(where: str, said: str) -> Passing:
    """The error of a body that did not come to its end."""
    return Passing(
        DownloadError(
            f"{where}: the server {said} in the middle of the file.",
            "What has arrived is kept: run the same command again, it goes on from there.",
        )
    )


def _interrupt(response: requests.Response) -> None:
    """Wake up the thread that waits for this body."""
    with suppress(OSError, ValueError, RuntimeError):
        response.raw.shutdown()
