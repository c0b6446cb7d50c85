"""Several pieces of work at a time, each with containers; Ctrl-C ends them all in good order."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from kubeparcel.hosts.session import Session

T = TypeVar("T")

MB_PER_CONTAINER = 700
"""MB of memory that a container of the install level may take, with what runs in it."""


def default_workers() -> int:
    """How many at a time: as the processors and the free memory of this machine allow."""
    processors = len(os.sched_getaffinity(0))
    return max(1, min(processors + 1, _available_mb() // MB_PER_CONTAINER))


def _available_mb(meminfo: Path = Path("/proc/meminfo")) -> int:
    """MB of memory that programs could have: with what the kernel keeps of files (proc(5))."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", meminfo.read_text("ascii"), re.MULTILINE)
    return int(found[1]) // 1000 if found else MB_PER_CONTAINER


def run_parallel(
    session: Session, work: Callable[[int], T], count: int, workers: int | None = None
) -> list[T]:
    """Do `work(0)` to `work(count - 1)` and give what they gave, in this order.

    The first that raises, or Ctrl-C, ends all others: their containers go, then they do.
    """
    with ThreadPoolExecutor(workers or default_workers(), "host") as pool:
        futures: list[Future[T]] = []
        try:
            futures += [pool.submit(work, index) for index in range(count)]
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((f for f in futures if f.done() and f.exception()), None)
            if failed is not None:
                failed.result()
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            while not all(future.done() for future in futures):
                session.stop()
                wait(futures, timeout=0.5)
            raise
