"""Run a publish in a process that is killed right before its n-th change of the repository."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from kubeparcel.console import QuietLog
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target

_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}


def publish(source: Path, repo: Path, kill_at: int) -> int:
    """Return the number of changes made, or `kill_at` if the process was killed there."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_publish, args=(source, repo, kill_at, sender))
    process.start()
    sender.close()
    process.join()
    if process.exitcode == -signal.SIGKILL:
        return kill_at
    assert process.exitcode == 0
    return int(receiver.recv())


def _publish(source: Path, repo: Path, kill_at: int, sender: Any) -> None:
    count = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        if not _is_change(event, args, str(repo)):
            return
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    publisher.publish(source, Target(str(repo)), QuietLog(), skip_layout_check=True)
    sender.send(count)


def _is_change(event: str, args: tuple[Any, ...], repo: str) -> bool:
    if event == "ctypes.call_function":
        return True
    if event == "open":
        path, _, flags = args
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return writes and str(path).startswith(repo)
    return event in _CHANGES and any(str(arg).startswith(repo) for arg in args)
