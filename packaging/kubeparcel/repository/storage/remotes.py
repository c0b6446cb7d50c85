"""Folders and buckets as remotes of a store: files are written once, and hashed while they are read."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from kubeparcel.errors import ExternalError
from kubeparcel.files import translate_os_errors

_CHUNK = 1 << 20


class FolderRemote:
    """A folder, on NFS for example, which must exist: an unmounted one is not filled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)

    def size(self, path: str) -> int | None:
        with self._errors(), suppress(FileNotFoundError):
            status = (self._existing_root() / path).stat()
            return status.st_size if stat.S_ISREG(status.st_mode) else None
        return None

    def download(self, path: str, target: Path, limit: int) -> str:
        with self._errors():
            try:
                file = (self._existing_root() / path).open("rb", buffering=0)
            except FileNotFoundError:
                return ""
        with file:
            return write_hashed(self._chunks(file), target, limit)

    def _chunks(self, file: FileIO) -> Iterator[memoryview]:
        """Yield the content; a chunk is valid until the one after the next is requested."""
        buffers = itertools.cycle([memoryview(bytearray(_CHUNK)), memoryview(bytearray(_CHUNK))])
        with self._errors():
            for buffer in buffers:
                size = file.readinto(buffer)
                if not size:
                    return
                yield buffer[:size]

    def create(self, path: str, source: Path) -> None:
        target = self.root / path
        with self._errors():
            self._existing_root()
            if target.exists():
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".part-", dir=target.parent)
            os.close(descriptor)
            part = Path(name)
            try:
                shutil.copyfile(source, part)
                part.chmod(0o644)
                _publish(part, target)
            finally:
                part.unlink(missing_ok=True)

    def _existing_root(self) -> Path:
        if not self.root.is_dir():
            raise ExternalError(f"The remote cache {self.root} does not exist.", "Create the folder, or mount it.")
        return self.root

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Report errors of the folder apart from those of local files, which are DiskError."""
        try:
            yield
        except OSError as error:
            raise ExternalError(f"{error.filename or self.location}: {error.strerror}.") from None


def _publish(part: Path, target: Path) -> None:
    """Give a complete file its name unless that exists; without hard links (some CIFS mounts), replace it."""
    try:
        os.link(part, target)
    except FileExistsError:
        return
    except OSError:
        part.replace(target)


def write_hashed(chunks: Iterable[bytes | memoryview], target: Path, limit: int) -> str:
    """Write chunks to a new file, up to `limit` bytes, and return its SHA-256, computed in another thread.

    Raises DiskError if the file cannot be written.
    """
    digest = hashlib.sha256()
    with translate_os_errors(target), target.open("xb") as file, ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(digest.update, b"")
        for chunk in chunks:
            part = chunk[:limit]
            hashed.result()  # the one before: a slow disk and a slow hash must not add up, nor fill the memory
            hashed = pool.submit(digest.update, part)
            file.write(part)
            limit -= len(part)
            if not limit:
                break
    return digest.hexdigest()
