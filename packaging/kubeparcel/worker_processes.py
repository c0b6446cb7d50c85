"""Worker processes that end with this process, also if it is killed: they inherit its descriptors, and so its locks."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from kubeparcel.threads import PROCESSORS

_PR_SET_PDEATHSIG = 1  # prctl(2)


@contextmanager
def worker_processes() -> Iterator[ProcessPoolExecutor]:
    """Yield an executor with a copy of this process for each processor."""
    with ProcessPoolExecutor(PROCESSORS, get_context("fork"), _end_with_parent, (os.getpid(),)) as processes:
        yield processes


def _end_with_parent(parent: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
