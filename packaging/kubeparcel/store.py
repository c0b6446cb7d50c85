"""Files by their sha256: nothing gets its name before it is whole and checked.

The folder may be shared by several processes: a file appears under its digest by one rename, so
whoever comes second finds it there. Beside the files lies a small memory of what was made from
what (`recall`, `remember`), so that no work is done twice.
"""

from __future__ import annotations

import hashlib
import json
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

DAY = 24 * 3600
STALE = {"scratch": DAY, "partial": 7 * DAY}
"""After how many seconds what a killed process left behind is removed, by folder."""


class Store:
    """A folder of files by sha256, and the memory of what was made from what."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept: set[str] = set()

    def path(self, sha256: str) -> Path:
        """Where the file of that digest is, or would be."""
        return self.root / "sha256" / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Whether the file is there (not whether it is still sound: see `get`)."""
        return self.path(sha256).is_file()

    def get(self, sha256: str, what: str = "a file") -> Path:
        """The path of a file, read and checked now.

        Raises DigestError when it has changed since it was stored, or is gone; a damaged copy is
        set aside, so that the next run gets it anew.
        """
        path = self.path(sha256)
        if not path.is_file():
            raise DigestError(
                f"{what} ({sha256[:12]}…) is no longer in the store {self.root}.",
                "Run the same command again: it is fetched or made anew.",
            )
        found = sha256_of(path)
        if found != sha256:
            aside = self.quarantine(path, what, found)
            raise DigestError(
                f"{what}: the copy in the store is damaged: its sha256 is {found[:12]}…, "
                f"it was stored as {sha256[:12]}….",
                f"The damaged copy was set aside as {aside}.\n"
                "Run the same command again: it is fetched or made anew.",
            )
        return path

    def add(self, path: Path, sha256: str | None = None, what: str = "") -> str:
        """Move a finished file into the store and give its digest.

        With `sha256` the file must have it; otherwise it is set aside and DigestError raised.
        `path` must be on the store's own disk: use `scratch` or `partial` to make it.
        """
        found = sha256_of(path)
        if sha256 is not None and found != sha256:
            aside = self.quarantine(path, what, found)
            raise DigestError(
                f"{what}: the sha256 is {found[:12]}…, it should be {sha256[:12]}….",
                f"The file was set aside as {aside}.",
            )
        self.add_hashed(path, found)
        return found

    def add_hashed(self, path: Path, sha256: str) -> None:
        """Move a file into the store whose digest was computed while it was written, just now."""
        target = self.path(sha256)
        with translate_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.chmod(0o644)
            path.replace(target)

    def add_bytes(self, data: bytes) -> str:
        """Store some bytes and give their digest."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.has(digest):
            self._write(self.path(digest), data)
        return digest

    def partial(self, name: str) -> Path:
        """A place for a download that may be broken off and resumed."""
        return self._subfolder("partial") / name.replace("/", "_")

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the store's disk that is gone afterwards."""
        parent = self._subfolder("scratch")
        with translate_os_errors(parent):
            folder = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Keep other threads and processes from doing the same work meanwhile; they wait.

        Whoever waits calls `waiting` several times a second; it may raise to give up.
        """
        import filelock

        lock = filelock.FileLock(self._subfolder("held") / name)
        try:
            with translate_os_errors(self.root / "held"):
                while not lock.is_locked:
                    waiting()
                    with suppress(filelock.Timeout):
                        lock.acquire(timeout=0.2)
            yield
        finally:
            lock.release()

    def quarantine(self, path: Path, what: str, sha256: str = "") -> Path:
        """Move a file that is not what it should be out of the way, for a person to look at.

        It is named after `what` and its digest: the same wrong file is kept once.
        """
        name = "-".join(what.replace("/", " ").split()) or path.name
        aside = self._subfolder("quarantine") / f"{name}-{(sha256 or sha256_of(path))[:12]}"
        # Another process may have found it, and moved it, at the same time.
        with translate_os_errors(aside), suppress(FileNotFoundError):
            path.replace(aside)
        return aside

    def get_record(self, kind: str, key: str) -> Any:
        """What was remembered under that key, or None."""
        memo = self._record_path(kind, key)
        with translate_os_errors(memo), suppress(FileNotFoundError, ValueError):
            return json.loads(memo.read_bytes())
        return None

    def put_record(self, kind: str, key: str, value: Any) -> None:
        """Remember a JSON value under a key."""
        self._write(self._record_path(kind, key), json.dumps(value, sort_keys=True).encode())

    def delete_record(self, kind: str, key: str) -> None:
        """Remember nothing under that key."""
        with translate_os_errors(self.root):
            self._record_path(kind, key).unlink(missing_ok=True)

    def _write(self, target: Path, data: bytes) -> None:
        with self.scratch() as folder, translate_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            part = folder / target.name
            part.write_bytes(data)
            part.chmod(0o644)
            part.replace(target)

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


def _sweep(folder: Path, age: float) -> None:
    """Remove what has not been touched for so many seconds: its process is long gone."""
    limit = time.time() - age
    for path in folder.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < limit:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
