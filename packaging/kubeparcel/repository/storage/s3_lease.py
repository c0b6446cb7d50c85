"""The publisher lease in a bucket: one file, written conditionally, that expires by itself.

Its age is measured by the storage's clock, so publishers with wrong clocks neither block others nor
lose their lease.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Protocol

from kubeparcel.errors import Busy, ExternalError
from kubeparcel.repository.storage.base import METADATA_FOLDER, ConflictError
from kubeparcel.sanitize import printable

LEASE_PATH = f"{METADATA_FOLDER}/lease.json"
_CLOCK_PATH = f"{METADATA_FOLDER}/clock"
LEASE_SECONDS = 60.0
"""A lease that was not renewed for this long may be taken by anyone."""

_RETRY_SECONDS = 0.5
_MAX_TOKEN = 1 << 53


class LeaseStorage(Protocol):
    """Storage with conditional writes, as S3Storage is."""

    location: str

    def read_with_etag(self, path: str) -> tuple[bytes | None, str | None]:
        """Return a file and its ETag."""

    def modified(self, path: str) -> datetime | None:
        """Return when a file was written, by the storage's own clock; None if it does not exist."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write small files."""

    def put_if_unchanged(self, path: str, data: bytes, etag: str | None) -> str | None:
        """Write a file if it still has that ETag; return the new one or raise ConflictError."""


class Lease:
    """Our lease, valid until `deadline` (monotonic clock) and renewed by a thread."""

    def __init__(self, storage: LeaseStorage, token: int, etag: str | None) -> None:
        self.storage, self.token, self.etag = storage, token, etag
        self.deadline = time.monotonic() + LEASE_SECONDS
        self._lost = False
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise ConflictError if the lease is no longer ours: we must not write any more."""
        if self._lost or time.monotonic() > self.deadline:
            raise ConflictError(
                f"{self.storage.location}: the publisher lease was lost; another publisher may "
                "be changing the repository.",
                "Run the same command again.",
            )

    def release(self) -> None:
        """Release the lease, so that the next publisher need not wait until it expires."""
        self._released.set()
        self._thread.join()
        with suppress(ExternalError):
            self.storage.put_if_unchanged(LEASE_PATH, _record(self.token, 0.0), self.etag)

    def _renew(self) -> None:
        while not self._released.wait(LEASE_SECONDS / 3):
            try:
                record = _record(self.token, LEASE_SECONDS)
                self.etag = self.storage.put_if_unchanged(LEASE_PATH, record, self.etag)
                self.deadline = time.monotonic() + LEASE_SECONDS
            except ConflictError:
                self._lost = True
                return
            except ExternalError:
                continue


@contextmanager
def acquire_lease(storage: LeaseStorage, wait: float) -> Iterator[Lease]:
    """Acquire the lease, waiting up to `wait` seconds; raises Busy naming the holder."""
    deadline = time.monotonic() + wait
    while True:
        data, etag = storage.read_with_etag(LEASE_PATH)
        record = _parse(data)
        if _is_free(record) or _age(storage) >= LEASE_SECONDS:
            with suppress(ConflictError):
                token = _token(record) + 1
                new = _record(token, LEASE_SECONDS)
                lease = Lease(storage, token, storage.put_if_unchanged(LEASE_PATH, new, etag))
                break
        if time.monotonic() >= deadline:
            raise Busy(
                f"Repository {storage.location} is locked by another publisher "
                f"({printable(str(record.get('holder', 'unknown process')))}).",
                "Retry later, or pass --wait SECONDS. The lease of a process that died expires "
                f"within {LEASE_SECONDS:.0f} s.",
            )
        time.sleep(_RETRY_SECONDS)
    try:
        yield lease
    finally:
        lease.release()


def _is_free(record: Mapping[str, Any]) -> bool:
    """Return whether the lease was released, or its record is missing or damaged."""
    until = record.get("until", 0)
    return not (isinstance(until, int | float) and until > 0)


def _age(storage: LeaseStorage) -> float:
    """Return the seconds since the lease was written, compared with a new file: responses have no Date header."""
    storage.write({_CLOCK_PATH: b""})
    written, now = storage.modified(LEASE_PATH), storage.modified(_CLOCK_PATH)
    return (now - written).total_seconds() if written and now else math.inf


def _token(record: Mapping[str, Any]) -> int:
    token = record.get("token", 0)
    return token if isinstance(token, int) and 0 <= token < _MAX_TOKEN else 0


def _parse(data: bytes | None) -> Mapping[str, Any]:
    try:
        record = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _record(token: int, seconds: float) -> bytes:
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    holder = f"process {os.getpid()} on {socket.gethostname()} since {now}"
    until = time.time() + seconds if seconds else 0  # its time is for older versions; 0 means released
    return json.dumps({"token": token, "holder": holder, "until": until}).encode()
