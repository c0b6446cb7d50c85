"""The folder of the store, which several processes may share: temporary files, locks and the quarantine.

What killed processes left is removed after some time. Symbolic links below the folder are never followed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kubeparcel.beneath import OwnFolder, is_folder, open_without_links
from kubeparcel.errors import DiskError
from kubeparcel.files import sha256_of, translate_os_errors

DAY = 24 * 3600
STALE = {"scratch": DAY, "partial": 7 * DAY}
"""The age in seconds after which leftovers of killed processes are removed, by folder."""


class StoreFolder:
    """A folder in which files appear by one rename, once they are complete."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = OwnFolder(root)
        self._swept: set[str] = set()

    def partial(self, name: str) -> Path:
        """Return the path for a download that can be resumed."""
        return self._reserve("partial", name.replace("/", "_"))

    @contextmanager
    def scratch(self, *, elsewhere: bool = False) -> Iterator[Path]:
        """Yield a temporary folder on the file system of the store.

        With `elsewhere`, it is in the system's folder for temporary files if the store cannot be written.
        """
        try:
            parent = self.subfolder("scratch")
            with translate_os_errors(parent):
                folder = Path(tempfile.mkdtemp(dir=parent))
        except DiskError:
            if not elsewhere:
                raise
            folder = Path(tempfile.mkdtemp(prefix="kubeparcel-"))
        try:
            yield folder
        finally:
            try:
                folder.rmdir()  # most are empty by now
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lock(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold an exclusive lock among threads and processes.

        While waiting, `on_wait` is called several times a second; it may raise to give up.
        """
        import filelock

        lock = filelock.FileLock(self._reserve("held", name))
        try:
            with translate_os_errors(self.root / "held"):
                while not lock.is_locked:
                    on_wait()
                    with suppress(filelock.Timeout):
                        lock.acquire(timeout=0.2)
            yield
        finally:
            lock.release()

    def open_lock_file(self, name: str) -> BinaryIO:
        """Open our own file for locking."""
        path = self._reserve("held", name)
        with translate_os_errors(path):
            return os.fdopen(open_without_links(str(path), os.O_RDWR | os.O_CREAT), "r+b")

    def quarantine(self, path: Path, label: str, sha256: str = "") -> Path:
        """Move an unexpected file into the quarantine folder and return its new path.

        The name consists of `label` and the digest, so the same file is kept once.
        """
        name = "-".join(label.replace("/", " ").split()) or path.name
        target = self.root / "quarantine" / f"{name}-{(sha256 or sha256_of(path))[:12]}"
        # Another process may have quarantined it at the same time.
        with translate_os_errors(target), suppress(FileNotFoundError):
            self._folder.place(path, target)
        return target

    def glob(self, pattern: str) -> Iterator[Path]:
        """Yield the files and folders below the store that match a pattern; nothing behind a link."""
        return self._folder.glob(pattern)

    def subfolder(self, name: str) -> Path:
        """Return the path of a folder directly in the store, which exists afterwards."""
        folder = self.root / name
        with translate_os_errors(folder), self._folder.open(folder, create=True):
            pass
        if name in STALE and name not in self._swept:
            self._swept.add(name)
            _sweep(folder, STALE[name])
        return folder

    def _write(self, target: Path, data: bytes) -> None:
        with self.scratch() as folder, translate_os_errors(target):
            temporary = folder / target.name
            temporary.write_bytes(data)
            self._folder.place(temporary, target)

    def _reserve(self, folder: str, name: str) -> Path:
        with translate_os_errors(self.root / folder):
            return self._folder.reserve(self.subfolder(folder) / name)


def _sweep(folder: Path, age: float) -> None:
    """Remove entries that are older than `age` seconds."""
    limit = time.time() - age
    for path in folder.iterdir():
        with suppress(OSError):
            if path.lstat().st_mtime < limit:
                if is_folder(path):
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
