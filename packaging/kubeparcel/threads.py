"""Run work in threads that end together: at the first error, or at Ctrl-C."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from kubeparcel.interrupts import start_threads

PROCESSORS = max(2, len(os.sched_getaffinity(0)))
"""The number of processors that this process may use, but at least 2."""

GRACE = 1.0
"""The time each thread gets to end after a cancellation, in seconds."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cancelled(Exception):
    """This work was cancelled: other work failed, or the user pressed Ctrl-C."""


class CancelToken:
    """Cancels work in other threads and interrupts what it waits for."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._guard = threading.Lock()
        self._interrupts: dict[object, Callable[[], None]] = {}

    def cancel(self) -> None:
        self._event.set()
        with self._guard:
            for interrupt in self._interrupts.values():
                interrupt()

    def raise_if_cancelled(self) -> None:
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Sleep; raise Cancelled at a cancellation."""
        if self._event.wait(seconds):
            raise Cancelled

    @contextmanager
    def on_cancel(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt`, in another thread, at a cancellation within the block."""
        key = object()
        with self._guard:
            self._interrupts[key] = interrupt
        try:
            self.raise_if_cancelled()
            yield
        finally:
            with self._guard:
                del self._interrupts[key]


def parallel_map(
    work: Callable[[Item, CancelToken], Result], items: Sequence[Item], workers: int = 4, timeout: float | None = None
) -> list[Result]:
    """Return the result of `work` for each item, in the order of the items.

    The first error cancels all other work and is raised. Raises TimeoutError if no thread ends for `timeout` seconds.
    """
    token = CancelToken()
    pending = deque(enumerate(items))
    results: dict[int, Result] = {}
    outcomes: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def process_items() -> None:
        try:
            while (next_item := _pop(pending)) is not None:
                token.raise_if_cancelled()
                index, item = next_item
                results[index] = work(item, token)
        except BaseException as error:
            outcomes.put(error)
        else:
            outcomes.put(None)

    threads = [threading.Thread(target=process_items, daemon=True) for _ in items[:workers]]
    start_threads(threads)
    _join(threads, outcomes, token, timeout)
    return [results[index] for index in range(len(items))]


def _join(
    threads: Sequence[threading.Thread],
    outcomes: queue.SimpleQueue[BaseException | None],
    token: CancelToken,
    timeout: float | None,
) -> None:
    """Wait until each thread has reported its outcome; raise the first error."""
    grace = GRACE
    try:
        for _ in threads:
            error = outcomes.get(timeout=timeout)
            if error is not None:
                raise error
    except queue.Empty:
        grace = 0.0
        raise TimeoutError from None
    finally:
        token.cancel()
        for thread in threads:
            thread.join(grace)


def _pop(pending: deque[tuple[int, Item]]) -> tuple[int, Item] | None:
    try:
        return pending.popleft()
    except IndexError:
        return None
