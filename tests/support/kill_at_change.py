"""Run a publish in a process that is killed right before its n-th change of the repository."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.support.repository_fixtures import publish_folder

_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}


def killed_publishes(source: Path, repo: Path, samples: int) -> Iterator[tuple[Path, int]]:
    """Publish to copies of a repository: once to the end, then killed at places that are spread over its changes.

    Yields each copy, and the number of changes made.
    """

    def attempt(kill_at: int) -> tuple[Path, int]:
        copy = Path(shutil.copytree(repo, repo.with_name(f"kill-at-{kill_at}")))
        return copy, publish(source, copy, kill_at)

    complete, total = attempt(sys.maxsize)
    yield complete, total
    for kill_at in range(1, total + 1, total // samples):
        copy, changes = attempt(kill_at)
        assert changes == kill_at
        yield copy, changes


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
    publish_folder(source, repo)
    sender.send(count)


def _is_change(event: str, args: tuple[Any, ...], repo: str) -> bool:
    if event == "ctypes.call_function":
        return True
    if event == "open":
        path, _, flags = args
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return writes and str(path).startswith(repo)
    return event in _CHANGES and any(str(arg).startswith(repo) for arg in args)
