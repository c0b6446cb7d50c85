"""The lock of a repository in a folder, and which process has it.

Publishers record themselves in the lock file. The record is not enough: a publisher that was killed
leaves it behind, and other programs lock the file without one, such as `flock` while it copies.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from kubeparcel.errors import Busy
from kubeparcel.sanitize import is_number, printable

_RETRY_SECONDS = 0.1
PROC = Path("/proc")
_RECORD = re.compile(r"process (?P<process>\d+) on (?P<host>\S+) since .+")
_LOCK_COLUMNS = 8
"""Columns of a lock in /proc/locks; a process that waits for it has one more, `->`."""


@contextmanager
def acquire_lock(path: Path, location: str, wait: float) -> Iterator[int]:
    """Lock a file, waiting up to `wait` seconds, and yield its next fencing token. Raises Busy, naming the holder."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor, location, wait)
        token = _read_token(descriptor) + 1
        line = f"{token}\n".encode()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, line + f"{holder_record()}\n".encode(), 0)
        try:
            yield token
        finally:
            os.ftruncate(descriptor, len(line))
    finally:
        os.close(descriptor)


def _lock(descriptor: int, location: str, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_RETRY_SECONDS)
                continue
            holder = _describe_holder(descriptor)
            raise Busy(
                f"Repository {location} is locked by {holder}.", "Retry later, or pass --wait SECONDS."
            ) from None
        return


def _read_token(descriptor: int) -> int:
    first = os.pread(descriptor, 64, 0).decode("ascii", "replace").partition("\n")[0]
    return int(first) if is_number(first) else 0


def holder_record() -> str:
    """Return the description of this process that lock files and leases of buckets contain."""
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return f"process {os.getpid()} on {os.uname().nodename} since {now}"


def _describe_holder(descriptor: int) -> str:
    """Return who has the lock on an open lock file, as in `is locked by ...`."""
    text = os.pread(descriptor, 4096, 0).decode("utf-8", "replace")
    record = printable(text.partition("\n")[2].strip())
    recorded = _RECORD.fullmatch(record)
    local = recorded is not None and recorded["host"] == os.uname().nodename
    recorded_process = int(recorded["process"]) if recorded else 0
    process = _locking_process(os.fstat(descriptor))
    if process and not (local and process == recorded_process):
        return f"process {process} ({_command(process)})"
    if recorded and (process or not local or _is_running(recorded_process)):
        return f"another publisher ({record})"
    return "another process"


def _locking_process(file: os.stat_result) -> int:
    """Return the process that has a flock on a file; 0 if it cannot be seen from here.

    The process that took the lock may have ended (`flock 9` in a shell script): then the lock
    belongs to whoever inherited the file.
    """
    candidates = (*_lockers(file), *_processes_with_lock(file))
    return next((process for process in candidates if _command(process)), 0)


def _lockers(file: os.stat_result) -> Iterator[int]:
    """Yield the processes that took a flock on a file (proc(5), /proc/locks)."""
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}"
    with suppress(OSError):
        for columns in map(str.split, (PROC / "locks").read_text("ascii").splitlines()):
            if len(columns) != _LOCK_COLUMNS or columns[1] != "FLOCK":
                continue
            if columns[5] == f"{device}:{file.st_ino}":
                yield int(columns[4])


def _processes_with_lock(file: os.stat_result) -> Iterator[int]:
    """Yield the processes that have a locked file open (proc(5), /proc/PID/fdinfo)."""
    for process in sorted(int(path.name) for path in PROC.glob("[0-9]*")):
        with suppress(OSError):
            for link in (PROC / str(process) / "fd").iterdir():
                if _has_lock(link, file):
                    yield process


def _has_lock(link: Path, file: os.stat_result) -> bool:
    with suppress(OSError):
        if os.path.samestat(link.stat(), file):
            return "FLOCK" in (link.parent.parent / "fdinfo" / link.name).read_text("ascii")
    return False


def _command(process: int) -> str:
    """Return the name of a process's command; empty if it does not run."""
    with suppress(OSError):
        return printable((PROC / str(process) / "comm").read_text("utf-8", "replace").strip())
    return ""


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
