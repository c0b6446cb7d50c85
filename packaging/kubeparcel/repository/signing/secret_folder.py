"""Temporary folders for secrets: private to the user, and removed by a later run after a kill."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kubeparcel.errors import ConfigurationError
from kubeparcel.files import translate_os_errors
from kubeparcel.process import run

_PREFIX, _LOCK = "secret-", ".lock"


def private_folder() -> Path:
    """Return the folder for temporary files that only this user can read.

    Raises ConfigurationError if others could, or it belongs to somebody else.
    """
    import tempfile

    folder = Path(tempfile.gettempdir(), f"kubeparcel-{os.getuid()}")
    with translate_os_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise ConfigurationError(f"{folder} is not a folder that belongs to you alone.", "Remove it and try again.")
    return folder


@contextmanager
def secret_folder() -> Iterator[Path]:
    """Yield an empty private folder, which is deleted afterwards.

    A process that is killed leaves it behind: the next one that needs such a folder deletes it,
    and so does `remove_abandoned`. Whether its owner still runs is known by a lock.
    """
    remove_abandoned()
    descriptor, lock = _create_lock(private_folder())
    folder = lock.with_suffix("")
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        _remove(lock)
        os.close(descriptor)


def remove_abandoned() -> int:
    """Remove the folders of processes that were killed, and return their number."""
    removed = 0
    for lock in private_folder().glob(f"{_PREFIX}*{_LOCK}"):
        with suppress(OSError):
            descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(lock)
                removed += 1
            finally:
                os.close(descriptor)
    return removed


def _create_lock(parent: Path) -> tuple[int, Path]:
    import tempfile

    while True:
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_LOCK, dir=parent)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)  # another process took it for abandoned before it was locked


def _remove(lock: Path) -> None:
    folder = lock.with_suffix("")
    if shutil.which("gpgconf") and any(folder.glob("S.*")):  # sockets of GnuPG's daemons
        run(["gpgconf", "--homedir", folder, "--kill", "all"], check=False)
    shutil.rmtree(folder, ignore_errors=True)
    lock.unlink(missing_ok=True)
