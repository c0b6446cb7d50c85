"""A lease in a bucket: one file, changed only conditionally, that dies with its holder."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Protocol

from kubeparcel.errors import Busy, ExternalError
from kubeparcel.repository.storage.base import METADATA_FOLDER, ConflictError

LEASE_PATH = f"{METADATA_FOLDER}/lease.json"
LEASE_SECONDS = 60.0
"""After so many seconds without a sign of life a lease is anyone's."""

_PAUSE = 0.5


class LeaseStorage(Protocol):
    """Where a lease is kept."""

    location: str

    def read_with_etag(self, path: str) -> tuple[bytes | None, str | None]:
        """A file and its tag."""

    def put_if_unchanged(self, path: str, data: bytes, tag: str | None) -> str | None:
        """Put a file if it still has that tag."""


class Lease:
    """A lease that is ours, until `until` by our own clock; renewed from a thread."""

    def __init__(self, place: LeaseStorage, token: int, tag: str | None) -> None:
        self.storage, self.token, self.etag = place, token, tag
        self.deadline = time.monotonic() + LEASE_SECONDS
        self._lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise Refused when it is no longer ours: then we must not write any more."""
        if self._lost or time.monotonic() > self.deadline:
            raise ConflictError(
                f"{self.storage.location}: our lease was lost, another publisher may be at work.",
                "Run the same command again.",
            )

    def release(self) -> None:
        """Let others in at once."""
        self._over.set()
        self._thread.join()
        with suppress(ExternalError):
            self.storage.put_if_unchanged(LEASE_PATH, _text(self.token, 0.0), self.etag)

    def _renew(self) -> None:
        while not self._over.wait(LEASE_SECONDS / 3):
            try:
                text = _text(self.token, LEASE_SECONDS)
                self.etag = self.storage.put_if_unchanged(LEASE_PATH, text, self.etag)
                self.deadline = time.monotonic() + LEASE_SECONDS
            except ConflictError:
                self._lost = True
                return
            except ExternalError:
                continue


@contextmanager
def acquire_lease(place: LeaseStorage, wait: float) -> Iterator[Lease]:
    """Take the lease, waiting so many seconds for another's end; raises Busy naming the holder."""
    end = time.monotonic() + wait
    while True:
        data, tag = place.read_with_etag(LEASE_PATH)
        row = _read(data)
        if float(row.get("until", 0)) <= time.time():
            with suppress(ConflictError):
                token = int(row.get("token", 0)) + 1
                lease = Lease(
                    place,
                    token,
                    place.put_if_unchanged(LEASE_PATH, _text(token, LEASE_SECONDS), tag),
                )
                break
        if time.monotonic() >= end:
            raise Busy(
                f"Another publisher is changing {place.location} ({row.get('holder', '?')}).",
                f"Wait for it. If it died, its lease ends within {LEASE_SECONDS:.0f} s.",
            )
        time.sleep(_PAUSE)
    try:
        yield lease
    finally:
        lease.release()


def _read(data: bytes | None) -> dict[str, str | float]:
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(token: int, seconds: float) -> bytes:
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    holder = f"process {os.getpid()} on {socket.gethostname()} since {now}"
    row = {"token": token, "holder": holder, "until": time.time() + seconds if seconds else 0}
    return json.dumps(row).encode()
