"""The store: a cache of files by SHA-256, and JSON records of finished work.

Several processes may share the folder. A file appears under its digest by one rename, once it is
complete and verified. Records (`get_record`, `put_record`) say what was built from what, so that
no work is done twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kubeparcel.errors import DigestError
from kubeparcel.files import atomic_write, sha256_of, translate_os_errors

__all__ = ["Store", "atomic_write", "sha256_of", "translate_os_errors"]

MD5_CACHE_SIZE = 1 << 20
"""Size in bytes from which a file's MD5 is cached: below, computing it is faster."""

DAY = 24 * 3600
STALE = {"scratch": DAY, "partial": 7 * DAY}
"""The age in seconds after which leftovers of killed processes are removed, by folder."""


class Store:
    """A content-addressed cache of files by SHA-256, with JSON records by kind and key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept: set[str] = set()

    def path(self, sha256: str) -> Path:
        """Return the path of a digest, whether or not the file exists."""
        return self.root / "sha256" / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Return whether the file exists, and record that it is used; its content is not checked (see `get`)."""
        return _mark_used(self.path(sha256))

    def get(self, sha256: str, label: str = "a file") -> Path:
        """Return the path of a file after checking its content.

        Raises DigestError if it is missing or damaged; a damaged copy is quarantined, so that the
        next run fetches it again.
        """
        path = self.path(sha256)
        if not path.is_file():
            raise DigestError(
                f"{label} ({sha256[:12]}…) is missing from the store {self.root}.",
                "Run the same command again to fetch or build it.",
            )
        actual = sha256_of(path)
        if actual != sha256:
            quarantined = self.quarantine(path, label, actual)
            raise DigestError(
                f"{label}: the copy in the store is damaged: its sha256 is {actual[:12]}…, expected {sha256[:12]}….",
                f"The damaged copy was moved to {quarantined}.\nRun the same command again to fetch or build it.",
            )
        return path

    def add(self, path: Path, sha256: str | None = None, label: str = "") -> str:
        """Move a complete file into the store and return its digest.

        With `sha256`, a file with another digest is quarantined and DigestError raised. `path`
        must be on the file system of the store: create it with `scratch` or `partial`.
        """
        actual = sha256_of(path)
        if sha256 is not None and actual != sha256:
            quarantined = self.quarantine(path, label, actual)
            raise DigestError(
                f"{label}: the sha256 is {actual[:12]}…, expected {sha256[:12]}….",
                f"The file was moved to {quarantined}.",
            )
        self.add_hashed(path, actual)
        return actual

    def add_hashed(self, path: Path, sha256: str) -> None:
        """Move a file into the store whose digest was computed while it was written."""
        target = self.path(sha256)
        with translate_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.chmod(0o644)
            path.replace(target)

    def add_bytes(self, data: bytes) -> str:
        """Store bytes and return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.has(digest):
            self._write(self.path(digest), data)
        return digest

    def partial(self, name: str) -> Path:
        """Return the path for a download that can be resumed."""
        return self._subfolder("partial") / name.replace("/", "_")

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield a temporary folder on the file system of the store."""
        parent = self._subfolder("scratch")
        with translate_os_errors(parent):
            folder = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lock(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold an exclusive lock among threads and processes.

        While waiting, `on_wait` is called several times a second; it may raise to give up.
        """
        import filelock

        lock = filelock.FileLock(self._subfolder("held") / name)
        try:
            with translate_os_errors(self.root / "held"):
                while not lock.is_locked:
                    on_wait()
                    with suppress(filelock.Timeout):
                        lock.acquire(timeout=0.2)
            yield
        finally:
            lock.release()

    def quarantine(self, path: Path, label: str, sha256: str = "") -> Path:
        """Move an unexpected file into the quarantine folder and return its new path.

        The name consists of `label` and the digest, so the same file is kept once.
        """
        name = "-".join(label.replace("/", " ").split()) or path.name
        target = self._subfolder("quarantine") / f"{name}-{(sha256 or sha256_of(path))[:12]}"
        # Another process may have quarantined it at the same time.
        with translate_os_errors(target), suppress(FileNotFoundError):
            path.replace(target)
        return target

    def md5(self, sha256: str, data: memoryview) -> str:
        """Return the MD5 of bytes with this digest, in hexadecimal; that of large ones is cached.

        debs list it, and computing it takes as long as unpacking them.
        """
        if len(data) < MD5_CACHE_SIZE:
            return hashlib.md5(data, usedforsecurity=False).hexdigest()
        digest = self.get_record("md5", sha256)
        if not isinstance(digest, str):
            digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
            self.put_record("md5", sha256, digest)
        return digest

    def cache_md5(self, sha256: str) -> None:
        """Compute the MD5 of a file that was just added, while it is still in memory."""
        self.md5(sha256, memoryview(self.path(sha256).read_bytes()))

    def get_record(self, kind: str, key: str) -> Any:
        """Return the JSON value recorded under a key, or None."""
        path = self._record_path(kind, key)
        _mark_used(path)
        with translate_os_errors(path), suppress(FileNotFoundError, ValueError):
            return json.loads(path.read_bytes())
        return None

    def put_record(self, kind: str, key: str, value: Any) -> None:
        """Record a JSON value under a key."""
        self._write(self._record_path(kind, key), json.dumps(value, sort_keys=True).encode())

    def records(self, kind: str) -> Iterator[tuple[Path, Any]]:
        """Yield the file and the JSON value of each record of a kind, the last used first."""
        files = sorted(
            (self.root / "memory" / kind).glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True
        )
        for file in files:
            with suppress(FileNotFoundError, ValueError):
                yield file, json.loads(file.read_bytes())

    def delete_record(self, kind: str, key: str) -> None:
        """Delete the record of a key."""
        with translate_os_errors(self.root):
            self._record_path(kind, key).unlink(missing_ok=True)

    def _write(self, target: Path, data: bytes) -> None:
        with self.scratch() as folder, translate_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = folder / target.name
            temporary.write_bytes(data)
            temporary.chmod(0o644)
            temporary.replace(target)

    def _record_path(self, kind: str, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.root / "memory" / kind / f"{digest}.json"

    def _subfolder(self, name: str) -> Path:
        folder = self.root / name
        with translate_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if name in STALE and name not in self._swept:
            self._swept.add(name)
            _sweep(folder, STALE[name])
        return folder


def _mark_used(path: Path) -> bool:
    """Set a file's time stamp to now, where that is permitted; return whether it exists."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:  # a read-only store
        return path.is_file()
    return True


def _sweep(folder: Path, age: float) -> None:
    """Remove entries that are older than `age` seconds."""
    limit = time.time() - age
    for path in folder.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < limit:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
