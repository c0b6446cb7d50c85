"""The store: a cache of files by SHA-256, and JSON records of finished work.

Several processes may share the folder. A file appears under its digest by one rename, once it is
complete and verified. Records (`get_record`, `put_record`) say what was built from what, so that
no work is done twice; they are authenticated, since nothing else ties them to what they are about.
Symbolic links below the folder are never followed. `SharedStore` also has a remote.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubeparcel import record_key
from kubeparcel.errors import DigestError
from kubeparcel.files import sha256_of, translate_os_errors
from kubeparcel.store_folder import StoreFolder

DIGEST_CACHE_SIZE = 1 << 20
"""Size in bytes from which a file's MD5 or SHA-1 is cached: below, computing it is faster."""

SHARED_KINDS = frozenset({"archive", "checked", "checksum", "go", "libraries", "md5", "modules", "sbom", "sha1"})
"""Kinds of records that are copied to a remote: functions of their keys, wherever they are computed. Those of packages
follow once their checks have passed."""


class Store(StoreFolder):
    """A content-addressed cache of files by SHA-256, with JSON records by kind and key."""

    def path(self, sha256: str) -> Path:
        """Return the path of a digest, whether or not the file exists."""
        return self.root / "sha256" / sha256[:2] / sha256

    def has(self, sha256: str, *, here: bool = False) -> bool:
        """Return whether the file exists, and record that it is used; its content is not checked (see `get`).

        With `here`, a file that only a remote has does not count before it was downloaded.
        """
        path = self.path(sha256)
        with translate_os_errors(path):
            return self._mark_used(path) or self._obtain(sha256)

    def size(self, sha256: str) -> int:
        """Return the size of a file in bytes; 0 if it is unknown, as that of a file that a remote has may be."""
        with suppress(OSError):
            return self.path(sha256).lstat().st_size
        return 0

    def rejects(self, sha256: str) -> bool:
        """Return whether a remote has other bytes under this digest, as far as is known."""
        return False

    def local_path(self, sha256: str, label: str = "a file") -> Path:
        """Return the path of a file, downloaded if only a remote has it; other content is not checked."""
        path = self.path(sha256)
        return path if self._folder.is_file(path) else self.get(sha256, label)

    def get(self, sha256: str, label: str = "a file") -> Path:
        """Return the path of a file after checking its content; raises DigestError as `verify` does."""
        self.verify({sha256: label})
        return self.path(sha256)

    def verify(self, labels: Mapping[str, str]) -> None:
        """Check the content of files, with the labels by which errors name them.

        Raises DigestError, which names all files that are missing or damaged. Damaged copies are
        quarantined, so that the next run fetches or builds them again.
        """
        with ThreadPoolExecutor(2) as pool:
            problems = [*filter(None, pool.map(self._problem, labels, labels.values()))]
        if problems:
            hints = [hint for _, hint in problems if hint]
            raise DigestError(
                "\n".join(problem for problem, _ in problems),
                "\n".join([*hints, "Run the same command again to fetch or build what is missing."]),
            )

    def _problem(self, sha256: str, label: str) -> tuple[str, str] | None:
        """Return what is wrong with a file, and where a damaged copy was moved; None for an intact one."""
        path = self.path(sha256)
        if not self._folder.is_file(path):
            if self._obtain(sha256):
                return None
            return f"{label} ({sha256[:12]}…) is missing from the store {self.root}.", ""
        actual = sha256_of(path)
        if actual == sha256:
            return None
        quarantined = self.quarantine(path, label, actual)
        return (
            f"{label}: the copy in the store is damaged: its sha256 is {actual[:12]}…, expected {sha256[:12]}….",
            f"The damaged copy was moved to {quarantined}.",
        )

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
            self._folder.place(path, target)
        self.share([sha256])

    def add_bytes(self, data: bytes) -> str:
        """Store bytes and return their digest."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        with translate_os_errors(path):
            exists = self._mark_used(path)
        if not exists:
            self._write(path, data)
            self.share([digest])
        return digest

    def share(self, digests: Iterable[str]) -> None:
        """Copy files to the remote; this store has none."""

    def share_record(self, kind: str, key: str) -> None:
        """Copy a record to the remote; this store has none."""

    def digest(self, algorithm: str, sha256: str, data: memoryview) -> str:
        """Return another digest of the bytes with this SHA-256, in hexadecimal; that of large ones is cached.

        debs list the MD5 of files, SPDX documents the SHA-1; computing either takes as long as unpacking.
        """
        if len(data) < DIGEST_CACHE_SIZE:
            return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
        digest = self.get_record(algorithm, sha256)
        if not isinstance(digest, str):
            digest = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
            self.put_record(algorithm, sha256, digest)
        return digest

    def cache_digests(self, sha256: str) -> None:
        """Compute the MD5 and SHA-1 of a file that was just added, while it is still in memory."""
        data = memoryview(self.path(sha256).read_bytes())
        for algorithm in ("md5", "sha1"):
            self.digest(algorithm, sha256, data)

    def get_record(self, kind: str, key: str) -> Any:
        """Return the JSON value recorded under a key, None if there is none or it is not authentic."""
        path = self._record_path(kind, key)
        with translate_os_errors(path):
            return self._read_record(path) if self._mark_used(path) or self._obtain_record(path) else None

    def put_record(self, kind: str, key: str, value: Any) -> None:
        """Record a JSON value under a key."""
        path = self._record_path(kind, key)
        self._write(path, record_key.seal(record_purpose(path), json.dumps(value, sort_keys=True).encode()))
        if kind in SHARED_KINDS:
            self.share_record(kind, key)

    def records(self, kind: str) -> Iterator[tuple[Path, Any]]:
        """Yield the file and the JSON value of each authentic record of a kind, the last used first."""
        files = self.glob(f"memory/{kind}/*.json")
        for file in sorted(files, key=lambda file: file.lstat().st_mtime, reverse=True):
            value = self._read_record(file)
            if value is not None:
                yield file, value

    def delete_record(self, kind: str, key: str) -> None:
        """Delete the record of a key."""
        with translate_os_errors(self.root):
            self._folder.unlink(self._record_path(kind, key))

    def _obtain(self, sha256: str) -> bool:
        """Download a file; return whether it can be used."""
        return False

    def _obtain_record(self, path: Path) -> bool:
        """Download a record to this path; return whether it can be used."""
        return False

    def _read_record(self, path: Path) -> Any:
        with suppress(FileNotFoundError):
            data = record_key.unseal(record_purpose(path), self._folder.read(path))
            return None if data is None else json.loads(data)
        return None

    def _mark_used(self, path: Path) -> bool:
        """Set a file's time stamp to now, where that is permitted; return whether it exists."""
        if not self._folder.is_file(path):
            return False
        self._folder.touch(path)
        return True

    def _record_path(self, kind: str, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.root / "memory" / kind / f"{digest}.json"


def record_purpose(record: Path) -> str:
    """Return what a record may be used for: its kind and the digest of its key."""
    return f"{record.parent.name}/{record.stem}"
