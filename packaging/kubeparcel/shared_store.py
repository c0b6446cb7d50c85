"""A store with a remote: a folder or bucket that several machines share, and how far it is trusted.

What the remote sends is used only if it has the expected digest; records must be authenticated by the key of
`record_key`, and are kept apart by that key. Failures are reported once: whatever the remote does not provide
is fetched or built locally.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from kubeparcel import record_key
from kubeparcel.console import Log
from kubeparcel.errors import DiskError, ExternalError
from kubeparcel.files import translate_os_errors
from kubeparcel.store import Store, record_purpose
from kubeparcel.threads import parallel_map

T = TypeVar("T")

MAX_SIZE = 4 << 30
"""The bytes of a file that are read from a remote: forty times a kubelet."""
MAX_RECORD_SIZE = 64 << 20
"""The same for records, which are read into memory: a thousand times the largest."""


class RemoteStorage(Protocol):
    """Files by path, written once. Its errors are ExternalError; DiskError is about a local file."""

    location: str

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, None if it does not exist."""

    def download(self, path: str, target: Path, limit: int) -> str:
        """Write a file to a new local one, up to `limit` bytes; return its SHA-256, empty if it does not exist."""

    def create(self, path: str, source: Path) -> None:
        """Store a copy of a local file atomically, unless the path exists."""


class Remote:
    """A remote storage, which is not used for reading, or for writing, after its first failure.

    `lookup_only` downloads no files that are merely asked for (`Store.has`).
    """

    def __init__(self, storage: RemoteStorage, log: Log, *, lookup_only: bool = False) -> None:
        self.location = storage.location
        self.lookup_only = lookup_only
        self.problem = ""
        """Why it is not used for everything; empty if it is."""
        self._storage, self._log = storage, log
        self._readable = self._writable = True
        self._rejected: set[str] = set()
        self._guard = threading.Lock()

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes, None if it has none, or one that was rejected."""
        return self._read(lambda: self._storage.size(path), path, missing=None)

    def download(self, path: str, target: Path, limit: int) -> str:
        """Write a file to a new local one, up to `limit` bytes; return its SHA-256, empty if there is none."""
        return self._read(lambda: self._storage.download(path, target, limit), path, missing="")

    def upload(self, path: str, source: Path) -> None:
        """Store a copy of a local file, unless the remote has one."""
        if not (self._readable and self._writable):
            return
        try:
            self._storage.create(path, source)
        except DiskError:
            raise
        except ExternalError as error:
            if self._disable(error, reading=False):
                self._log.info("Cache", f"The remote is only read: {error.message}")

    def reject(self, path: str, problem: str) -> None:
        """Warn of a file that is not what its path says, and ignore it from now on."""
        with self._guard:
            first = path not in self._rejected
            self._rejected.add(path)
        if first:
            self._log.warn(
                f"{self.location}/{path}: {problem}. It was not used. Find out who wrote it, and delete it: "
                "files of the remote cache are never replaced."
            )

    def rejects(self, path: str) -> bool:
        """Return whether a file is not what its path says, as far as is known."""
        return path in self._rejected

    def _read(self, call: Callable[[], T], path: str, missing: T) -> T:
        if not self._readable or path in self._rejected:
            return missing
        try:
            return call()
        except DiskError:
            raise
        except ExternalError as error:
            if self._disable(error, reading=True):
                self._log.warn(f"The remote cache is not used in this run. {error}")
        return missing

    def _disable(self, error: ExternalError, *, reading: bool) -> bool:
        """Do not use it further; return whether this is the first failure of the kind."""
        with self._guard:
            first = self._readable if reading else self._writable
            self._writable, self._readable = False, self._readable and not reading
            self.problem = error.message
        return first


class SharedStore(Store):
    """A store whose missing files and records are searched in a remote, and whose new ones are copied to it."""

    def __init__(self, root: Path, remote: Remote) -> None:
        super().__init__(root)
        self.remote = remote
        self._shared: set[str] = set()
        self._sizes: dict[str, int] = {}

    def share(self, digests: Iterable[str]) -> None:
        """Copy files to the remote, unless it has them."""
        new = [s for s in dict.fromkeys(digests) if s not in self._shared and self._folder.is_file(self.path(s))]
        parallel_map(lambda sha256, _: self.remote.upload(_object_path(sha256), self.path(sha256)), new, 2)
        self._shared.update(new)

    def share_record(self, kind: str, key: str) -> None:
        """Copy a record to the remote, unless it has one."""
        path = self._record_path(kind, key)
        if self._folder.is_file(path):
            self.remote.upload(_remote_record_path(path), path)

    def _obtain(self, sha256: str) -> bool:
        path = _object_path(sha256)
        with self.scratch() as folder:
            actual = self.remote.download(path, folder / sha256, MAX_SIZE)
            if actual == sha256:
                self._folder.place(folder / sha256, self.path(sha256))
            elif actual:
                self.remote.reject(path, f"its sha256 is {actual[:12]}…")
        return actual == sha256

    def has(self, sha256: str, *, here: bool = False) -> bool:
        """Return whether the file exists here or in the remote; it is downloaded, unless that only looks up."""
        if self.remote.lookup_only and not here and not self._folder.is_file(self.path(sha256)):
            size = self.remote.size(_object_path(sha256))
            self._sizes[sha256] = size or 0
            return size is not None
        return super().has(sha256)

    def size(self, sha256: str) -> int:
        return super().size(sha256) or self._sizes.get(sha256, 0)

    def rejects(self, sha256: str) -> bool:
        return self.remote.rejects(_object_path(sha256))

    def _obtain_record(self, target: Path) -> bool:
        path = _remote_record_path(target)
        with self.scratch() as folder, translate_os_errors(folder):
            file = folder / target.name
            if not self.remote.download(path, file, MAX_RECORD_SIZE):
                return False
            if record_key.unseal(record_purpose(target), file.read_bytes()) is None:
                self.remote.reject(path, "the record is damaged or forged")
                return False
            self._folder.place(file, target)
        return True


def _object_path(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{sha256}"


def _remote_record_path(record: Path) -> str:
    """Return where the remote has a record: by the key that authenticates it, so that no one blocks another's."""
    return f"records/{key_name()}/{record_purpose(record)}.json"


def key_name() -> str:
    """Return a name of the key that authenticates records, which does not reveal it."""
    return record_key.authenticator("remote").hexdigest()
