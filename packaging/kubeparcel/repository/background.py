"""Work beside our own: in a process, for Python's threads take turns, or in a thread."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def beside(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Begin `work` in a copy of this process; what is given waits for its result, once.

    Errors of the work are raised then. Where there can be no copy, or it dies, the work is done
    here. For a time without threads: a copy has none of them, but has what they locked.
    """
    reader, writer = os.pipe()
    child = _copy()
    if child == 0:
        _report(work, writer)
    os.close(writer)

    def result() -> T:
        with open(reader, "rb", closefd=False) as file:
            data = file.read()
        try:
            done, value = pickle.loads(data)  # noqa: S301 - from ourselves
        except (EOFError, pickle.UnpicklingError):  # nothing, or a part: it died
            return work()
        if not done:
            raise value
        return value  # type: ignore[no-any-return]

    try:
        yield result
    finally:
        os.close(reader)
        if child > 0:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@contextmanager
def threaded(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """The same in a thread: for work that waits more than it works, or must not be forked."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work).result


def _copy() -> int:
    """Fork; -1 where that cannot be: no memory, or no more processes."""
    try:
        return os.fork()
    except OSError:
        return -1


def _report(work: Callable[[], T], writer: int) -> None:
    """In the copy: do the work, tell the result, and be gone without any of our clean-up."""
    try:
        try:
            data = pickle.dumps((True, work()))
        except Exception as error:
            data = pickle.dumps((False, error))
        with open(writer, "wb", closefd=False) as file:
            file.write(data)
    finally:
        os._exit(0)
