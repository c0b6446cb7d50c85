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
class Patience:
    """How long to wait (in seconds), how often to try, and how few bytes a second are too few.

    `silence` is how long nothing may arrive; `pause` the first wait between two attempts, each
    further one twice as long; `longest` the longest wait that a server may ask for.
    """

    connect: float = 10.0
    silence: float = 30.0
    probe: float = 5.0
    tries: int = 5
    pause: float = 0.5
    longest: float = 60.0
    slowest: int = 1000


class Passing(Exception):
    """An attempt failed in a way that may pass.

    `reason` is what to raise when it does not; `after` are the seconds the server asked for.
    """

    def __init__(self, reason: KubeparcelError, after: float = 0.0) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.after = after


def patiently(
    patience: Patience,
    stop: CancelToken,
    attempt: Callable[[], Result],
    done: Callable[[], int] = lambda: 0,
) -> Result:
    """Try until an attempt gives its result, or fails for good, or `tries` in a row failed.

    An attempt after which more is `done` than ever before starts the count anew: a long download
    over a bad line ends well as long as it gets on.
    """
    tries, best = 0, done()
    while True:
        try:
            return attempt()
        except Passing as passing:
            failed = passing
        stop.raise_if_cancelled()
        tries = tries + 1 if done() <= best else 1
        best = max(best, done())
        if tries >= patience.tries or failed.after > patience.longest:
            raise failed.reason
        # Several downloads that broke off together should not come back together.
        pause = patience.pause * 2 ** (tries - 1) * random.uniform(0.75, 1.25)  # noqa: S311
        stop.wait(failed.after or pause)


def retry_after(header: str | None) -> float:
    """The seconds of a Retry-After header, which may also be a date (RFC 9110, 10.2.3)."""
    if not header:
        return 0.0
    if header.strip().isdigit():
        return float(header)
    return max(0.0, http_date(header) - time.time())


def http_date(header: str | None) -> int:
    """A date of HTTP in seconds since 1970; 0 when there is none, or it is not one."""
    try:
        return int(parsedate_to_datetime(header or "").timestamp())
    except (TypeError, ValueError, OverflowError):
        return 0
