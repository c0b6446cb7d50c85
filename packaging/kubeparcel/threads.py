"""Several things at a time, in threads that end together: at the first error, or at Ctrl-C."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

GRACE = 1.0
"""How long each thread gets to end, in seconds, once it was told to: it can hold nobody up."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cancelled(Exception):
    """This piece of work was called off: another one failed, or the user wants to leave."""


class CancelToken:
    """Tells work in other threads to end, and interrupts what it is waiting for."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._guard = threading.Lock()
        self._interrupts: dict[object, Callable[[], None]] = {}

    def cancel(self) -> None:
        """End everything."""
        self._event.set()
        with self._guard:
            for interrupt in self._interrupts.values():
                interrupt()

    def raise_if_cancelled(self) -> None:
        """Raise Stopped when it is time to end."""
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Sleep; raise Stopped as soon as it is time to end."""
        if self._event.wait(seconds):
            raise Cancelled

    @contextmanager
    def on_cancel(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Within the block, `interrupt` is called (in another thread) when it is time to end."""
        ticket = object()
        with self._guard:
            self._interrupts[ticket] = interrupt
        try:
            self.raise_if_cancelled()
            yield
        finally:
            with self._guard:
                del self._interrupts[ticket]


def parallel_map(
    work: Callable[[Item, CancelToken], Result],
    items: Sequence[Item],
    workers: int = 4,
    timeout: float | None = None,
) -> list[Result]:
    """Do the work for every item, `width` at a time, and give the results in the items' order.

    The first error stops the others and is raised. TimeoutError when none of the threads ends
    for `within` seconds.
    """
    stop = CancelToken()
    waiting = deque(enumerate(items))
    results: dict[int, Result] = {}
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def thread() -> None:
        try:
            while (taken := _taken(waiting)) is not None:
                stop.raise_if_cancelled()
                index, item = taken
                results[index] = work(item, stop)
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    threads = [threading.Thread(target=thread, daemon=True) for _ in items[:workers]]
    for one in threads:
        one.start()
    _joined(threads, ended, stop, timeout)
    return [results[index] for index in range(len(items))]


def _joined(
    threads: Sequence[threading.Thread],
    ended: queue.SimpleQueue[BaseException | None],
    stop: CancelToken,
    within: float | None,
) -> None:
    """Wait until each thread has told how it ended; raise the first error."""
    grace = GRACE
    try:
        for _ in threads:
            error = ended.get(timeout=within)
            if error is not None:
                raise error
    except queue.Empty:
        grace = 0.0
        raise TimeoutError from None
    finally:
        stop.cancel()
        for one in threads:
            one.join(grace)


def _taken(waiting: deque[tuple[int, Item]]) -> tuple[int, Item] | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None
