"""File system calls for publishing: atomic exchange of folders, fsync of many files, hard links.

What only a change needs is imported in the functions.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from kubeparcel.repository.file_stamp import FileStamp

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # renameat2(2)
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV}
_CHUNK = 1 << 30
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}

SYNCFS_THRESHOLD = 64
"""For more files than this, one syncfs of the file system is cheaper than an fsync for each."""


def exchange_folders(first: Path, second: Path) -> bool:
    """Exchange two folders atomically; return False if unsupported (NFS, old kernels)."""
    names = os.fsencode(first), os.fsencode(second)
    return _call_libc("renameat2", second, _AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)


def _call_libc(name: str, path: str | Path, *arguments: int | bytes) -> bool:
    """Call a function that Python lacks; return False if it is unsupported. Raises OSError about `path`."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, name):
        return False
    if getattr(libc, name)(*arguments) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), str(path))


def fsync_many(paths: Iterable[str | Path]) -> None:
    """Flush files and folders to disk."""
    pending: Sequence[str | Path] = list(paths)
    if len(pending) > SYNCFS_THRESHOLD and _syncfs(pending[0]):
        return
    if len(pending) < 2:
        for path in pending:
            _fsync(path)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(_fsync, pending))


def _fsync(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def _syncfs(path: str | Path) -> bool:
    """Flush the file system that contains a path (syncfs(2)); return False if unsupported."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return _call_libc("syncfs", path, descriptor)
    finally:
        os.close(descriptor)


def create_folder(folder: Path) -> None:
    """Create a folder and its missing parents. Others can read them, whatever the umask is."""
    try:
        folder.mkdir()
    except FileNotFoundError:
        create_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o755)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Hard-link a file of the repository, or copy it where links are impossible; `target` must not exist."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)
        Path(target).chmod(0o644)


def copy_file(source: FileStamp, target: str) -> None:
    """Copy a user's file, where possible without copying its blocks; `target` must not exist.

    Raises ConfigurationError if it has changed since its stamp was made.
    """
    old = os.open(source.path, os.O_RDONLY)
    try:
        new = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.fchmod(new, 0o644)
            _copy_content(old, new, source.size)
        finally:
            os.close(new)
        source.require_unchanged(os.fstat(old))
    finally:
        os.close(old)


def _copy_content(old: int, new: int, size: int) -> None:
    """Copy with copy_file_range(2), which shares the blocks on btrfs and XFS, or else with sendfile(2)."""
    copied = 0
    try:
        while copied < size and (count := os.copy_file_range(old, new, _CHUNK)):
            copied += count
    except OSError as error:
        if error.errno not in _UNSUPPORTED | _NO_LINK:
            raise
    while copied < size and (count := os.sendfile(new, old, None, _CHUNK)):
        copied += count
