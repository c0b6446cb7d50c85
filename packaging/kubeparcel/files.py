"""The disk: files that appear whole or not at all, and its refusals as errors."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kubeparcel.errors import DiskError

_HINTS = {
    errno.ENOSPC: "The disk is full: free some space and run the same command again.",
    errno.EDQUOT: "The disk quota is used up: free some space and run it again.",
    errno.EROFS: "The file system is read-only: choose another place.",
    errno.EACCES: "You have no permission there: choose another place, or change its owner.",
    errno.EPERM: "You have no permission there: choose another place, or change its owner.",
    errno.ENOTDIR: "A file is where a folder should be: choose another place.",
    errno.EEXIST: "A file is where a folder should be: choose another place.",
    errno.ENAMETOOLONG: "The path is too long: choose another place.",
    errno.EIO: "The disk does not work as it should: have a look at the system's log.",
}


def sha256_of(path: Path) -> str:
    """The sha256 of a file, as hex; memory use does not depend on its size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses (full, read-only, not yours) into a DiskError naming `path`."""
    try:
        yield
    except OSError as error:
        todo = _HINTS.get(error.errno or 0)
        if todo is None:
            raise
        where = error.filename or path
        raise DiskError(f"{where}: {error.strerror}.", todo) from None


@contextmanager
def atomic_write(target: Path, mode: int = 0o644) -> Iterator[Path]:
    """A new file beside `target` to write into; it takes the name when the block ends well."""
    with translate_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        part = Path(name)
        try:
            yield part
            part.chmod(mode)
            part.replace(target)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
