"""The images that were built through one store: the last used of each kind are kept.

Users of an image hold a shared lock, which the kernel releases when their process ends; only images
that nobody uses are removed. Images built through other stores are never removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from kubeparcel.console import Log, QuietLog
from kubeparcel.errors import KubeparcelError, ToolError
from kubeparcel.hosts.engine import Engine
from kubeparcel.hosts.engine_cli import ENGINES, select_engine
from kubeparcel.store import Store

IMAGE_PREFIX = "localhost/kubeparcel/"

IMAGES_TO_KEEP = 3
"""The number of images to keep of each host and purpose; one has 300 to 700 MB."""

RECORDS = "images"


@dataclass(frozen=True)
class CachedImage:
    """An image of an engine: its last use in seconds since 1970, its size in bytes."""

    engine: str
    name: str
    used: float
    size: int


@dataclass(frozen=True)
class ImageCache:
    """The images of one engine that a store has records of. Thread-safe."""

    engine: Engine
    store: Store
    log: Log
    locks: dict[str, BinaryIO] = field(default_factory=dict)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def ensure(self, image: str, build: Callable[[], None]) -> None:
        """Call `build` unless the engine has an image, and protect it from removal.

        Of several processes that need an image, one builds it and the others wait.
        """
        self.mark_used(image)
        if not self.engine.has_image(image):
            with self.store.lock(f"{self.engine.name}-{image.replace('/', '-')}"):
                if not self.engine.has_image(image):
                    build()

    def mark_used(self, image: str) -> None:
        """Record that an image is used now, and protect it from removal until `close()`."""
        with self.mutex:
            if image not in self.locks:
                lock = self._lock_file(image)
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
            with suppress(ToolError):  # a failed cleanup must not fail the run
                old = self._by_last_use(f"{repository}:")[IMAGES_TO_KEEP:]
                if removed := self.remove_unused(old):
                    self.log.info("Images", f"kept the last {IMAGES_TO_KEEP}, removed {', '.join(removed)}")

    def images(self) -> list[CachedImage]:
        """Return all images that the store has records of, the last used first."""
        return [
            CachedImage(self.engine.name, image, self._last_use(image), self.engine.image_size(image))
            for image in self._by_last_use(IMAGE_PREFIX)
        ]

    def remove_unused(self, images: Sequence[str]) -> list[str]:
        """Remove those that no process and no container uses; return their names."""
        return [image for image in images if self._remove(image)]

    def _remove(self, image: str) -> bool:
        with self._lock_file(image) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self.engine.remove_image(image)
            if self.engine.has_image(image):
                return False
            self.store.delete_record(RECORDS, self._key(image))
            return True

    def _by_last_use(self, prefix: str) -> list[str]:
        """Return the recorded images that start with `prefix`, the last used first."""
        images = self.engine.list_images(prefix)
        times = {image: self._last_use(image) for image in images}
        recorded = [image for image in images if times[image]]
        return sorted(recorded, key=lambda image: times[image], reverse=True)

    def _last_use(self, image: str) -> float:
        """Return the time of the last use in seconds since 1970, 0 for images of other stores."""
        return float(self.store.get_record(RECORDS, self._key(image)) or 0)

    def _lock_file(self, image: str) -> BinaryIO:
        name = hashlib.sha256(self._key(image).encode()).hexdigest()[:16]
        return self.store.open_lock_file(f"image-used-{name}")

    def _key(self, image: str) -> str:
        return f"{self.engine.name} {image}"


def list_images(store: Store) -> list[CachedImage]:
    """Return a store's images in every usable engine."""
    return [image for cache in _image_caches(store) for image in cache.images()]


def remove_images(store: Store, images: Iterable[CachedImage]) -> list[str]:
    """Remove a store's images that no process and no container uses; return their names."""
    names: dict[str, list[str]] = {}
    for image in images:
        names.setdefault(image.engine, []).append(image.name)
    return [name for cache in _image_caches(store, names) for name in cache.remove_unused(names[cache.engine.name])]


def _image_caches(store: Store, engines: Iterable[str] = tuple(ENGINES)) -> Iterator[ImageCache]:
    for name in engines:
        with suppress(KubeparcelError):  # an engine that is missing or does not work
            yield ImageCache(select_engine(name), store, QuietLog())
