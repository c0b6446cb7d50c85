"""Publishes in a process that is killed right before its n-th change of the repository."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from kubeparcel.console import QuietLog
from kubeparcel.repository import publisher
from kubeparcel.repository.publisher import Target

_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}


def publish(source: Path, repo: Path, dies_at: int) -> int:
    """How many changes there were; when there were `dies_at`, the process was killed there."""
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(source, repo, dies_at, theirs))
    child.start()
    theirs.close()
    child.join()
    if child.exitcode == -signal.SIGKILL:
        return dies_at
    assert child.exitcode == 0
    return int(ours.recv())


def _child(source: Path, repo: Path, dies_at: int, pipe: Any) -> None:
    count = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        if not _changes(event, args, str(repo)):
            return
        count += 1
        if count == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    publisher.publish(source, Target(str(repo)), QuietLog(), skip_layout_check=True)
    pipe.send(count)


def _changes(event: str, args: tuple[Any, ...], repo: str) -> bool:
    if event == "ctypes.call_function":
        return True
    if event == "open":
        path, _, flags = args
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return writes and str(path).startswith(repo)
    return event in _CHANGES and any(str(arg).startswith(repo) for arg in args)
