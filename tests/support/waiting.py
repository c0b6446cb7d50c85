"""Wait for other processes and threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

TIMEOUT = 60.0
"""Seconds after which tests stop waiting, enough for slow machines.

Whatever must not be waited for takes longer in these tests: five minutes.
"""


def wait_until(condition: Callable[[], object], patience: float = TIMEOUT) -> bool:
    """Wait until a condition is true; return whether it was within `patience` seconds."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def has_ended(pid: int) -> bool:
    """Return whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pid: int) -> bool:
    """Wait until a process has ended; return whether it has."""
    return wait_until(lambda: has_ended(pid))


def wait_for_line(file: Path) -> str:
    """Wait until a file has a complete line, and return its text."""
    assert wait_until(lambda: file.exists() and file.read_text().endswith("\n")), f"no {file}"
    return file.read_text()
