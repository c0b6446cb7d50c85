"""How long the network is waited for, and how often something is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

from kubeparcel.errors import KubeparcelError
from kubeparcel.threads import CancelToken

Result = TypeVar("Result")


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait (in seconds), how often to try, and how few bytes a second are too few.

    `silence` is how long nothing may arrive; `pause` the first wait between two attempts, each
    further one twice as long; `longest` the longest wait that a server may ask for.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    probe_timeout: float = 5.0
    attempts: int = 5
    backoff: float = 0.5
    max_retry_after: float = 60.0
    min_rate: int = 1000


class TransientError(Exception):
    """An attempt failed in a way that may pass.

    `reason` is what to raise when it does not; `after` are the seconds the server asked for.
    """

    def __init__(self, reason: KubeparcelError, after: float = 0.0) -> None:
        super().__init__(str(reason))
        self.error = reason
        self.retry_after = after


def retry(
    policy: RetryPolicy,
    token: CancelToken,
    attempt: Callable[[], Result],
    progress: Callable[[], int] = lambda: 0,
) -> Result:
    """Try until an attempt gives its result, or fails for good, or `tries` in a row failed.

    An attempt after which more is `done` than ever before starts the count anew: a long download
    over a bad line ends well as long as it gets on.
    """
    tries, best = 0, progress()
    while True:
        try:
            return attempt()
        except TransientError as passing:
            failed = passing
        token.raise_if_cancelled()
        tries = tries + 1 if progress() <= best else 1
        best = max(best, progress())
        if tries >= policy.attempts or failed.retry_after > policy.max_retry_after:
            raise failed.error
        # Several downloads that broke off together should not come back together.
        pause = policy.backoff * 2 ** (tries - 1) * random.uniform(0.75, 1.25)  # noqa: S311
        token.wait(failed.retry_after or pause)


def parse_retry_after(header: str | None) -> float:
    """The seconds of a Retry-After header, which may also be a date (RFC 9110, 10.2.3)."""
    if not header:
        return 0.0
    if header.strip().isdigit():
        return float(header)
    return max(0.0, parse_http_date(header) - time.time())


def parse_http_date(header: str | None) -> int:
    """A date of HTTP in seconds since 1970; 0 when there is none, or it is not one."""
    try:
        return int(parsedate_to_datetime(header or "").timestamp())
    except (TypeError, ValueError, OverflowError):
        return 0
