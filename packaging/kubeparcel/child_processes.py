"""The programs that run now: known from their first moment, ended with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

from kubeparcel.signals import uninterrupted

Process = TypeVar("Process", "subprocess.Popen[str]", "subprocess.Popen[bytes]")

_RUNNING: set[int] = set()
"""The process groups of the programs that run now, in whatever thread."""

_ENDINGS: list[None] = []
"""As many as `end_all` was called: what another thread was just starting then has to end too."""


def begun(start: Callable[[], Process]) -> Process:
    """Start a program, the leader of a session of its own, and know of it.

    Ctrl-C waits until it is known, for then it can be ended.
    """
    endings = len(_ENDINGS)
    with ExitStack() as moment:
        moment.enter_context(uninterrupted())
        process = start()
        _RUNNING.add(process.pid)
        try:
            moment.close()
        except BaseException:
            end(process)
            raise
    if len(_ENDINGS) != endings:
        _kill(process.pid)
    return process


def over(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """It has ended by itself: its number may soon be another's."""
    _RUNNING.discard(process.pid)


def end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill a program and all that it started in its session, from any thread.

    Whoever reads from it finds the end; the pipes are theirs to close.
    """
    _kill(process.pid)
    process.wait()
    _RUNNING.discard(process.pid)


def end_all() -> None:
    """Kill all programs that run now: Ctrl-C reaches the main thread only, and not their groups."""
    _ENDINGS.append(None)
    for group in tuple(_RUNNING):
        _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
