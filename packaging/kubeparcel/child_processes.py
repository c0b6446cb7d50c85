"""The programs that run now: known from their first moment, ended with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TypeVar

from kubeparcel.signals import defer_signals

Process = TypeVar("Process", "subprocess.Popen[str]", "subprocess.Popen[bytes]")

_RUNNING: set[int] = set()
"""The process groups of the programs that run now, in whatever thread."""

_ENDINGS: list[None] = []
"""As many as `kill_all_processes` was called: what another thread was just starting then has to end too."""


def start_process(start: Callable[[], Process]) -> Process:
    """Start a program, the leader of a session of its own, and know of it.

    Ctrl-C waits until it is known, for then it can be ended.
    """
    endings = len(_ENDINGS)
    with ExitStack() as moment:
        moment.enter_context(defer_signals())
        process = start()
        _RUNNING.add(process.pid)
        try:
            moment.close()
        except BaseException:
            kill_process(process)
            raise
    if len(_ENDINGS) != endings:
        _kill_group(process.pid)
    return process


def forget_process(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """It has ended by itself: its number may soon be another's."""
    _RUNNING.discard(process.pid)


def kill_process(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill a program and all that it started in its session, from any thread.

    Whoever reads from it finds the end; the pipes are theirs to close.
    """
    _kill_group(process.pid)
    process.wait()
    _RUNNING.discard(process.pid)


def kill_all_processes() -> None:
    """Kill all programs that run now: Ctrl-C reaches the main thread only, and not their groups."""
    _ENDINGS.append(None)
    for group in tuple(_RUNNING):
        _kill_group(group)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
