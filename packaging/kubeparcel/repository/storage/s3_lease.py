"""The publisher lease in a bucket: one file, written conditionally, that expires by itself.

Its age is measured by the storage's clock, so publishers with wrong clocks neither block others nor
lose their lease.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from kubeparcel.errors import Busy, ExternalError
from kubeparcel.repository.storage.base import METADATA_FOLDER, ConflictError
from kubeparcel.repository.storage.lock import holder_record
from kubeparcel.repository.storage.s3_bucket import Bucket
from kubeparcel.sanitize import printable

LEASE_PATH = f"{METADATA_FOLDER}/lease.json"
_CLOCK_PATH = f"{METADATA_FOLDER}/clock"
LEASE_SECONDS = 60.0
"""A lease that was not renewed for this long may be taken by anyone."""

_RETRY_SECONDS = 0.5
_MAX_TOKEN = 1 << 53


class Lease:
    """Our lease, valid until `deadline` (monotonic clock) and renewed by a thread."""

    def __init__(self, bucket: Bucket, token: int, etag: str | None) -> None:
        self.bucket, self.token, self.etag = bucket, token, etag
        self.deadline = time.monotonic() + LEASE_SECONDS
        self._lost = False
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise ConflictError if the lease is no longer ours: we must not write any more."""
        if self._lost or time.monotonic() > self.deadline:
            raise ConflictError(
                f"{self.bucket.location}: the publisher lease was lost; another publisher may "
                "be changing the repository.",
                "Run the same command again.",
            )

    def release(self) -> None:
        """Release the lease, so that the next publisher need not wait until it expires."""
        self._released.set()
        self._thread.join()
        with suppress(ExternalError):
            self.bucket.put_if_unchanged(LEASE_PATH, _record(self.token, 0.0), self.etag)

    def _renew(self) -> None:
        while not self._released.wait(LEASE_SECONDS / 3):
            try:
                record = _record(self.token, LEASE_SECONDS)
                self.etag = self.bucket.put_if_unchanged(LEASE_PATH, record, self.etag)
                self.deadline = time.monotonic() + LEASE_SECONDS
            except ConflictError:
                self._lost = True
                return
            except ExternalError:
                continue


@contextmanager
def acquire_lease(bucket: Bucket, wait: float) -> Iterator[Lease]:
    """Acquire the lease, waiting up to `wait` seconds; raises Busy naming the holder."""
    deadline = time.monotonic() + wait
    while True:
        data, etag = bucket.read_with_etag(LEASE_PATH)
        record = _parse(data)
        if _is_free(record) or _age(bucket) >= LEASE_SECONDS:
            with suppress(ConflictError):
                token = _token(record) + 1
                new = _record(token, LEASE_SECONDS)
                lease = Lease(bucket, token, bucket.put_if_unchanged(LEASE_PATH, new, etag))
                break
        if time.monotonic() >= deadline:
            raise Busy(
                f"Repository {bucket.location} is locked by another publisher "
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


def _age(bucket: Bucket) -> float:
    """Return the seconds since the lease was written, compared with a new file: responses have no Date header."""
    bucket.put(_CLOCK_PATH, b"")
    written, now = bucket.modified(LEASE_PATH), bucket.modified(_CLOCK_PATH)
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
    until = time.time() + seconds if seconds else 0  # its time is for older versions; 0 means released
    return json.dumps({"token": token, "holder": holder_record(), "until": until}).encode()
