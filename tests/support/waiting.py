"""Waiting for what other processes and threads do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

TIMEOUT = 60.0
"""Seconds after which something will not happen any more, on however slow a machine.

What must not be waited for takes longer in these tests: five minutes.
"""


def wait_until(condition: Callable[[], object], patience: float = TIMEOUT) -> bool:
    """Whether something comes true; told at once when it does."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def wait_until_gone(pid: int) -> bool:
    """Whether a process ends (a zombie has ended)."""

    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    return wait_until(ended)


def wait_for_line(file: Path) -> str:
    """What a file holds, once it holds a line."""
    assert wait_until(lambda: file.exists() and file.read_text().endswith("\n")), f"no {file}"
    return file.read_text()
