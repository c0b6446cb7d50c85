"""The images that a store's runs have made: so many of each kind are kept, by their last use.

Whoever uses an image holds a lock on it that the kernel takes back when the process ends, however
it ends; only an image that nobody holds is removed. Images of other stores are left alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kubeparcel.console import Log, QuietLog
from kubeparcel.errors import KubeparcelError, ToolError
from kubeparcel.files import translate_os_errors
from kubeparcel.hosts.base_images import PREFIX
from kubeparcel.hosts.engine import Engine
from kubeparcel.store import Store

KEPT = 3
"""Of each host and purpose so many images stay: 300 to 700 MB each."""

KIND = "images"


@dataclass(frozen=True)
class Shelf:
    """The images of one engine that a store knows. Safe to use from several threads."""

    engine: Engine
    store: Store
    log: Log
    held: dict[str, IO[bytes]] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def use(self, image: str) -> None:
        """It was used just now, and stays until `close`, whatever others do."""
        with self.guard:
            if image not in self.held:
                lock = self._lock(image).open("wb")
                fcntl.flock(lock, fcntl.LOCK_SH)
                self.held[image] = lock
        self.store.put_record(KIND, self._key(image), time.time())

    def close(self) -> None:
        """Nothing is used any more; where images are too many, the oldest go."""
        with self.guard:
            used = {image.rpartition(":")[0] for image in self.held}
            for lock in self.held.values():
                lock.close()
            self.held.clear()
        for kind in sorted(used):
            gone = []
            with suppress(ToolError):  # the run itself went well
                gone = self.remove(self._by_use(f"{kind}:")[KEPT:])
            if gone:
                self.log.info("Images", f"the last {KEPT} are kept; removed: {', '.join(gone)}")

    def clear(self) -> list[str]:
        """Remove all that the store knows and nobody uses; give the names of what went."""
        return self.remove(self._by_use(PREFIX))

    def remove(self, images: list[str]) -> list[str]:
        """Remove those that nobody uses, in this store or in a container; give what went."""
        return [image for image in images if self._removed(image)]

    def _removed(self, image: str) -> bool:
        with self._alone(image) as mine:
            if not mine:
                return False
            self.engine.remove_image(image)
            gone = not self.engine.has_image(image)
            if gone:
                self.store.put_record(KIND, self._key(image), None)
            return gone

    def _by_use(self, prefix: str) -> list[str]:
        """The images that begin so and that the store knows, the last used first."""
        found = {image: self._used(image) for image in self.engine.images(prefix)}
        known = {image: at for image, at in found.items() if at}
        return sorted(known, key=lambda image: -known[image])

    def _used(self, image: str) -> float:
        at = self.store.get_record(KIND, self._key(image))
        return float(at) if isinstance(at, int | float) else 0

    @contextmanager
    def _alone(self, image: str) -> Iterator[bool]:
        """Whether nobody uses an image, and nobody begins to until the block ends."""
        with self._lock(image).open("wb") as lock:
            mine = False
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            yield mine

    def _lock(self, image: str) -> Path:
        name = hashlib.sha256(self._key(image).encode()).hexdigest()[:16]
        place = self.store.root / "held" / f"image-used-{name}"
        with translate_os_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _key(self, image: str) -> str:
        return f"{self.engine.name} {image}"


def clear(store: Store) -> list[str]:
    """Remove a store's images from every engine that answers; give the names of what went."""
    from kubeparcel.hosts.engine_cli import DIALECTS, choose

    gone: list[str] = []
    for name in DIALECTS:
        with suppress(KubeparcelError):  # it is not there, or does not answer
            gone += Shelf(choose(name), store, QuietLog()).clear()
    return gone
