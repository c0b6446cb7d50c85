"""Handle Ctrl-C and SIGTERM at once, and defer them where an interruption would leave something behind."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
WAKE_UP = signal.SIGURG
"""A signal without effect: programs that do not handle it ignore it."""

DELAYS = (0.01, 0.1, 1.0)
"""Seconds after a signal, and between the repetitions that interrupt the main thread's system calls."""


def handle_interrupts(handler: Callable[[int, FrameType | None], None]) -> None:
    """Call `handler` on Ctrl-C and SIGTERM, unless they are ignored. For the main thread.

    Python runs a handler between two instructions. A signal that comes after the last of them and
    before a system call that waits, for example for a child process, would only be handled when that
    call returns. So a thread learns of each signal by a pipe and interrupts the main thread's call.
    """
    signal.set_wakeup_fd(_start_watching_signals(), warn_on_full_buffer=False)
    signal.signal(WAKE_UP, lambda *_: None)
    for number in INTERRUPTS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


@functools.cache
def _start_watching_signals() -> int:
    """Start the thread, once in a process, and return the descriptor that tells it of signals."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    threading.Thread(target=_wake_main_thread, args=(read_end,), daemon=True).start()
    return write_end


def _wake_main_thread(read_end: int) -> None:
    main_thread = threading.main_thread().ident
    assert main_thread is not None  # noqa: S101 - it has started
    while number := os.read(read_end, 1):
        if number[0] in INTERRUPTS:
            for delay in DELAYS:
                time.sleep(delay)
                signal.pthread_kill(main_thread, WAKE_UP)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Defer SIGINT and SIGTERM until the end of the block, in the main thread, which handles signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[tuple[int, FrameType | None]] = []

    def defer(number: int, frame: FrameType | None) -> None:
        pending.append((number, frame))

    current = {number: signal.getsignal(number) for number in INTERRUPTS}
    handlers = {int(number): handler for number, handler in current.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, defer)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in pending:
            handlers[number](number, frame)


def start_threads(threads: Iterable[threading.Thread]) -> None:
    """Start threads; a KeyboardInterrupt within `Thread.start` can become a RuntimeError of its lock."""
    with defer_signals():
        for thread in threads:
            thread.start()
