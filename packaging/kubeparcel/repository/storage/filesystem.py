"""What Linux can do for folders that others read meanwhile: exchange two at once, flush many."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE, renameat2(2)
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV}
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}
SYNCFS_THRESHOLD = 64
"""From so many files on, one flush of the whole file system is cheaper than one each."""


def exchange_folders(first: Path, second: Path) -> bool:
    """Swap two folders in one step; False where the file system cannot (NFS, old kernels)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(second))


def fsync_many(paths: Iterable[str | Path]) -> None:
    """Have files and folders on the disk before going on."""
    todo: Sequence[str | Path] = list(paths)
    if len(todo) > SYNCFS_THRESHOLD and _flush_all(todo[0]):
        return
    if len(todo) < 2:
        for path in todo:
            _flush_one(path)
        return
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_flush_one, todo))


def _flush_one(path: str | Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(handle)


def _flush_all(inside: str | Path) -> bool:
    """Flush the file system that a path is on (syncfs(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        return False
    handle = os.open(inside, os.O_RDONLY)
    try:
        if libc.syncfs(handle) == 0:
            return True
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(inside))
    finally:
        os.close(handle)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file's bytes, or a copy where there cannot be one; `target` is new."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)
        target.chmod(0o644)


def try_hardlink(source: str, target: str) -> bool:
    """Give a file of the user's a second name, if everyone may read it and the name is free."""
    facts = os.lstat(source)
    if not stat.S_ISREG(facts.st_mode) or facts.st_mode & 0o444 != 0o444:
        return False
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def import_file(source: Path, target: Path) -> None:
    """As `link_or_copy`, for a file of the user's: a copy unless everyone may read it."""
    real = source.resolve() if source.is_symlink() else source
    if real.stat().st_mode & 0o444 == 0o444:
        link_or_copy(real, target)
    else:
        shutil.copyfile(real, target)
        target.chmod(0o644)
