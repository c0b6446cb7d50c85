"""How long to wait for the network, and how often to retry."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TypeVar

from kubeparcel.errors import KubeparcelError
from kubeparcel.sanitize import is_number
from kubeparcel.threads import CancelToken

Result = TypeVar("Result")


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts in seconds, and the number of attempts.

    `probe_timeout` limits a whole probe. `backoff` is the pause before the second attempt; it
    doubles with each further one. A request fails if the server asks to wait longer than
    `max_retry_after`, or sends less than `min_rate` bytes per second.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    probe_timeout: float = 5.0
    attempts: int = 5
    backoff: float = 0.5
    max_retry_after: float = 60.0
    min_rate: int = 1000


class Stalled(TimeoutError):
    """A server sends less than the minimum rate."""


class Unusable(HTTPException):
    """A response that has no end, or cannot be read in reasonable time."""


class TransientError(Exception):
    """An attempt failed in a way that another attempt may not.

    `error` is raised after the last attempt; `retry_after` is the pause in seconds that the server asked for.
    """

    def __init__(self, error: KubeparcelError, retry_after: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


def retry(
    policy: RetryPolicy, token: CancelToken, attempt: Callable[[], Result], progress: Callable[[], int] = lambda: 0
) -> Result:
    """Return the result of the first attempt that succeeds, with exponential backoff in between.

    An attempt that increases `progress` (bytes) by what the minimum rate gives in `read_timeout` resets the count:
    a long download over a bad connection succeeds as long as it advances.
    """
    failures, best = 0, progress()
    step = policy.min_rate * policy.read_timeout
    while True:
        try:
            return attempt()
        except TransientError as error:
            failure = error
        token.raise_if_cancelled()
        failures += 1
        if progress() >= best + step:
            failures, best = 1, progress()
        if failures >= policy.attempts or failure.retry_after > policy.max_retry_after:
            raise failure.error
        # Several downloads that were interrupted together should not retry together.
        jitter = random.uniform(0.75, 1.25)  # noqa: S311
        token.wait(failure.retry_after or policy.backoff * 2 ** (failures - 1) * jitter)


def parse_retry_after(header: str | None) -> float:
    """Return the seconds of a Retry-After header, which may also be a date (RFC 9110, 10.2.3)."""
    if not header:
        return 0.0
    if is_number(header.strip()):
        return float(header)
    return max(0.0, parse_http_date(header) - time.time())


def parse_http_date(header: str | None) -> int:
    """Return an HTTP date in seconds since 1970; 0 if it is missing or invalid."""
    try:
        return int(parsedate_to_datetime(header or "").timestamp())
    except (TypeError, ValueError, OverflowError):
        return 0
