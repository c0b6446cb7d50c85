"""Run work in parallel, each item in its own containers; an error or Ctrl-C ends all of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from typing import TypeVar

from kubeparcel.hosts.session import Session

T = TypeVar("T")

MB_PER_CONTAINER = 700
"""The memory that a container of the install level needs at most, in MB."""


def default_workers() -> int:
    """Return how many containers this machine's processors and available memory allow."""
    processors = len(os.sched_getaffinity(0))
    return max(1, min(processors + 1, _available_mb() // MB_PER_CONTAINER))


def _available_mb(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the memory available to programs, which includes the page cache (proc(5))."""
    match = re.search(r"^MemAvailable: +(\d+) kB$", meminfo.read_text("ascii"), re.MULTILINE)
    return int(match[1]) // 1000 if match else MB_PER_CONTAINER


def run_parallel(session: Session, work: Callable[[int], T], count: int, workers: int | None = None) -> list[T]:
    """Call `work(0)` to `work(count - 1)` in threads and return their results in this order.

    The first exception, or Ctrl-C, stops the session, so that the other calls end too.
    """
    with ThreadPoolExecutor(workers or default_workers(), "host") as pool:
        futures: list[Future[T]] = []
        try:
            futures += [pool.submit(work, index) for index in range(count)]
            for future in as_completed(futures):
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in futures):
                session.stop()
                wait(futures, timeout=0.5)
            raise
