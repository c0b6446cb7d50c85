"""The images that were built through one store: the last used of each kind are kept.

Users of an image hold a shared lock, which the kernel releases when their process ends; only images
that nobody uses are removed. Images built through other stores are never removed.
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
from kubeparcel.hosts.engine_cli import ENGINES, select_engine
from kubeparcel.store import Store

IMAGES_TO_KEEP = 3
"""The number of images to keep of each host and purpose; one has 300 to 700 MB."""

RECORDS = "images"


@dataclass(frozen=True)
class ImageCache:
    """The images of one engine that a store has records of. Thread-safe."""

    engine: Engine
    store: Store
    log: Log
    locks: dict[str, IO[bytes]] = field(default_factory=dict)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def mark_used(self, image: str) -> None:
        """Record that an image is used now, and protect it from removal until `close()`."""
        with self.mutex:
            if image not in self.locks:
                lock = self._lock_file(image).open("wb")
                fcntl.flock(lock, fcntl.LOCK_SH)
                self.locks[image] = lock
        self.store.put_record(RECORDS, self._key(image), time.time())

    def close(self) -> None:
        """Release all images, and remove the least recently used ones where there are too many."""
        with self.mutex:
            repositories = {image.rpartition(":")[0] for image in self.locks}
            for lock in self.locks.values():
                lock.close()
            self.locks.clear()
        for repository in sorted(repositories):
            removed = []
            with suppress(ToolError):  # a failed cleanup must not fail the run
                removed = self.remove(self._by_last_use(f"{repository}:")[IMAGES_TO_KEEP:])
            if removed:
                self.log.info(
                    "Images", f"kept the last {IMAGES_TO_KEEP}, removed {', '.join(removed)}"
                )

    def clear(self) -> list[str]:
        """Remove all unused images that the store has records of; return their names."""
        return self.remove(self._by_last_use(IMAGE_PREFIX))

    def remove(self, images: list[str]) -> list[str]:
        """Remove those that no process and no container uses; return their names."""
        return [image for image in images if self._remove(image)]

    def _remove(self, image: str) -> bool:
        with self._exclusive(image) as is_unused:
            if not is_unused:
                return False
            self.engine.remove_image(image)
            removed = not self.engine.has_image(image)
            if removed:
                self.store.put_record(RECORDS, self._key(image), None)
            return removed

    def _by_last_use(self, prefix: str) -> list[str]:
        """Return the recorded images that start with `prefix`, the last used first."""
        times = {image: self._last_used(image) for image in self.engine.list_images(prefix)}
        recorded = [image for image, time_ in times.items() if time_]
        return sorted(recorded, key=lambda image: -times[image])

    def _last_used(self, image: str) -> float:
        value = self.store.get_record(RECORDS, self._key(image))
        return float(value) if isinstance(value, int | float) else 0

    @contextmanager
    def _exclusive(self, image: str) -> Iterator[bool]:
        """Yield whether an image is unused; then nobody can start to use it within the block."""
        with self._lock_file(image).open("wb") as lock:
            is_unused = False
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_unused = True
            yield is_unused

    def _lock_file(self, image: str) -> Path:
        name = hashlib.sha256(self._key(image).encode()).hexdigest()[:16]
        path = self.store.root / "held" / f"image-used-{name}"
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _key(self, image: str) -> str:
        return f"{self.engine.name} {image}"


def clear_images(store: Store) -> list[str]:
    """Remove a store's unused images from every usable engine; return their names."""
    removed: list[str] = []
    for name in ENGINES:
        with suppress(KubeparcelError):  # an engine that is missing or does not work
            removed += ImageCache(select_engine(name), store, QuietLog()).clear()
    return removed
