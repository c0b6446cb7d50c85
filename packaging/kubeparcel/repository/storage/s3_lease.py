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
from kubeparcel.repository.storage.base import OWN, Refused

PATH = f"{OWN}/lease.json"
LIFETIME = 60.0
"""After so many seconds without a sign of life a lease is anyone's."""

_PAUSE = 0.5


class Place(Protocol):
    """Where a lease is kept."""

    where: str

    def tagged(self, path: str) -> tuple[bytes | None, str | None]:
        """A file and its tag."""

    def replace(self, path: str, data: bytes, tag: str | None) -> str | None:
        """Put a file if it still has that tag."""


class Lease:
    """A lease that is ours, until `until` by our own clock; renewed from a thread."""

    def __init__(self, place: Place, token: int, tag: str | None) -> None:
        self.place, self.token, self.tag = place, token, tag
        self.until = time.monotonic() + LIFETIME
        self._lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise Refused when it is no longer ours: then we must not write any more."""
        if self._lost or time.monotonic() > self.until:
            raise Refused(
                f"{self.place.where}: our lease was lost, another publisher may be at work.",
                "Run the same command again.",
            )

    def end(self) -> None:
        """Let others in at once."""
        self._over.set()
        self._thread.join()
        with suppress(ExternalError):
            self.place.replace(PATH, _text(self.token, 0.0), self.tag)

    def _renew(self) -> None:
        while not self._over.wait(LIFETIME / 3):
            try:
                text = _text(self.token, LIFETIME)
                self.tag = self.place.replace(PATH, text, self.tag)
                self.until = time.monotonic() + LIFETIME
            except Refused:
                self._lost = True
                return
            except ExternalError:
                continue


@contextmanager
def held(place: Place, wait: float) -> Iterator[Lease]:
    """Take the lease, waiting so many seconds for another's end; raises Busy naming the holder."""
    end = time.monotonic() + wait
    while True:
        data, tag = place.tagged(PATH)
        row = _read(data)
        if float(row.get("until", 0)) <= time.time():
            with suppress(Refused):
                token = int(row.get("token", 0)) + 1
                lease = Lease(place, token, place.replace(PATH, _text(token, LIFETIME), tag))
                break
        if time.monotonic() >= end:
            raise Busy(
                f"Another publisher is changing {place.where} ({row.get('holder', '?')}).",
                f"Wait for it. If it died, its lease ends within {LIFETIME:.0f} s.",
            )
        time.sleep(_PAUSE)
    try:
        yield lease
    finally:
        lease.end()


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
