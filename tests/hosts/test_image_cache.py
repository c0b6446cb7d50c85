"""Images that a store tracks: listed by their last use, and removed unless they are used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import ToolError
from kubeparcel.hosts import image_cache
from kubeparcel.hosts.image_cache import IMAGE_PREFIX, ImageCache
from kubeparcel.store import Store

OLD, NEW, FOREIGN = (f"{IMAGE_PREFIX}trixie-node:{tag}" for tag in ("old", "new", "foreign"))


class FakeEngine:
    """An engine with a table of images and their sizes."""

    def __init__(self, name: str, images: dict[str, int]) -> None:
        self.name = name
        self.sizes = images

    def list_images(self, prefix: str) -> list[str]:
        return [image for image in self.sizes if image.startswith(prefix)]

    def has_image(self, image: str) -> bool:
        return image in self.sizes

    def image_size(self, image: str) -> int:
        return self.sizes[image]

    def remove_image(self, image: str) -> None:
        del self.sizes[image]


@pytest.fixture
def podman(monkeypatch, store: Store) -> Iterator[FakeEngine]:
    """A podman with three images, two of them tracked by the store; docker does not work."""
    engine = FakeEngine("podman", {OLD: 1000, FOREIGN: 10, NEW: 2000, "docker.io/library/debian:trixie": 5})

    def select_engine(name: str) -> Any:
        if name != engine.name:
            raise ToolError(f"{name} does not work.")
        return engine

    monkeypatch.setattr(image_cache, "select_engine", select_engine)
    for image, days in ((OLD, 40), (NEW, 1)):
        store.put_record(image_cache.RECORDS, f"podman {image}", time.time() - days * 86400)
    return engine


def test_images_of_the_store_are_listed_by_last_use(podman, store):
    images = image_cache.list_images(store)
    assert [(image.engine, image.name, image.size) for image in images] == [
        ("podman", NEW, 2000),
        ("podman", OLD, 1000),
    ]
    assert images[0].used - images[1].used == pytest.approx(39 * 86400, abs=5)


def test_removed_image_is_no_longer_tracked(podman, store):
    assert image_cache.remove_images(store, image_cache.list_images(store)[1:]) == [OLD]
    assert set(podman.sizes) == {NEW, FOREIGN, "docker.io/library/debian:trixie"}
    assert [image.name for image in image_cache.list_images(store)] == [NEW]


def test_image_in_use_is_not_removed(podman, store):
    session = ImageCache(podman, store, QuietLog())
    session.mark_used(OLD)
    try:
        assert image_cache.remove_images(store, image_cache.list_images(store)) == [NEW]
    finally:
        session.close()
