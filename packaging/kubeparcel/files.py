"""Write files atomically, and turn operating system errors into DiskError."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kubeparcel.errors import DiskError

_HINTS = {
    errno.ENOSPC: "The disk is full: free some space and run the same command again.",
    errno.EDQUOT: "The disk quota is used up: free some space and run it again.",
    errno.EROFS: "The file system is read-only: choose another place.",
    errno.EACCES: "Permission denied: choose another place, or change its owner.",
    errno.EPERM: "Permission denied: choose another place, or change its owner.",
    errno.ENOTDIR: "A file is in the way of a folder: choose another place.",
    errno.EEXIST: "A file is in the way of a folder: choose another place.",
    errno.ELOOP: "A symbolic link is in the way: remove it.",
    errno.ENAMETOOLONG: "The path is too long: choose another place.",
    errno.EIO: "The disk reports an I/O error: check the system log.",
}

_WRITING_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors about the second of two files: the one that is written."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turn an OSError (disk full, read-only, permission denied) into a DiskError naming `path`."""
    try:
        yield
    except OSError as error:
        hint = _HINTS.get(error.errno or 0)
        if hint is None:
            raise
        written = error.filename2 if error.errno in _WRITING_ERRORS else None
        raise DiskError(f"{written or error.filename or path}: {error.strerror}.", hint) from None


@contextmanager
def atomic_write(target: Path, mode: int = 0o644) -> Iterator[Path]:
    """Yield a temporary file that replaces `target` if the block succeeds."""
    import tempfile

    with translate_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(mode)
            temporary.replace(target)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
