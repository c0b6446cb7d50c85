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
from kubeparcel.hosts.base_images import IMAGE_PREFIX
from kubeparcel.hosts.engine import Engine
from kubeparcel.store import Store

IMAGES_TO_KEEP = 3
"""Of each host and purpose so many images stay: 300 to 700 MB each."""

RECORDS = "images"


@dataclass(frozen=True)
class ImageCache:
    """The images of one engine that a store knows. Safe to use from several threads."""

    engine: Engine
    store: Store
    log: Log
    locks: dict[str, IO[bytes]] = field(default_factory=dict)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def mark_used(self, image: str) -> None:
        """It was used just now, and stays until `close`, whatever others do."""
        with self.mutex:
            if image not in self.locks:
                lock = self._lock_file(image).open("wb")
                fcntl.flock(lock, fcntl.LOCK_SH)
                self.locks[image] = lock
        self.store.put_record(RECORDS, self._key(image), time.time())

    def close(self) -> None:
        """Nothing is used any more; where images are too many, the oldest go."""
        with self.mutex:
            used = {image.rpartition(":")[0] for image in self.locks}
            for lock in self.locks.values():
                lock.close()
            self.locks.clear()
        for kind in sorted(used):
            gone = []
            with suppress(ToolError):  # the run itself went well
                gone = self.remove(self._by_last_use(f"{kind}:")[IMAGES_TO_KEEP:])
            if gone:
                self.log.info(
                    "Images", f"the last {IMAGES_TO_KEEP} are kept; removed: {', '.join(gone)}"
                )

    def clear(self) -> list[str]:
        """Remove all that the store knows and nobody uses; give the names of what went."""
        return self.remove(self._by_last_use(IMAGE_PREFIX))

    def remove(self, images: list[str]) -> list[str]:
        """Remove those that nobody uses, in this store or in a container; give what went."""
        return [image for image in images if self._remove(image)]

    def _remove(self, image: str) -> bool:
        with self._exclusive(image) as mine:
            if not mine:
                return False
            self.engine.remove_image(image)
            gone = not self.engine.has_image(image)
            if gone:
                self.store.put_record(RECORDS, self._key(image), None)
            return gone

    def _by_last_use(self, prefix: str) -> list[str]:
        """The images that begin so and that the store knows, the last used first."""
        found = {image: self._last_used(image) for image in self.engine.list_images(prefix)}
        known = {image: at for image, at in found.items() if at}
        return sorted(known, key=lambda image: -known[image])

    def _last_used(self, image: str) -> float:
        at = self.store.get_record(RECORDS, self._key(image))
        return float(at) if isinstance(at, int | float) else 0

    @contextmanager
    def _exclusive(self, image: str) -> Iterator[bool]:
        """Whether nobody uses an image, and nobody begins to until the block ends."""
        with self._lock_file(image).open("wb") as lock:
            mine = False
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            yield mine

    def _lock_file(self, image: str) -> Path:
        name = hashlib.sha256(self._key(image).encode()).hexdigest()[:16]
        place = self.store.root / "held" / f"image-used-{name}"
        with translate_os_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _key(self, image: str) -> str:
        return f"{self.engine.name} {image}"


def clear_images(store: Store) -> list[str]:
    """Remove a store's images from every engine that answers; give the names of what went."""
    from kubeparcel.hosts.engine_cli import ENGINES, select_engine

    gone: list[str] = []
    for name in ENGINES:
        with suppress(KubeparcelError):  # it is not there, or does not answer
            gone += ImageCache(select_engine(name), store, QuietLog()).clear()
    return gone
