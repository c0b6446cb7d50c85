"""A moment that Ctrl-C does not break: the signal waits until it is over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_signals() -> Iterator[None]:
    """SIGINT and SIGTERM that come within the block are answered at its end.

    Python answers signals in the main thread alone: in any other this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []

    def keep(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))

    found = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    answers = {int(one): answer for one, answer in found.items() if callable(answer)}
    for one in answers:
        signal.signal(one, keep)
    try:
        yield
    finally:
        for one, answer in answers.items():
            signal.signal(one, answer)
        for number, frame in came:
            answers[number](number, frame)
