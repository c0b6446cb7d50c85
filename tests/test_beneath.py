"""Symbolic and hard links that somebody put into the cache lead no write out of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kubeparcel.beneath import OwnFolder
from kubeparcel.build.cache import read_cache
from kubeparcel.errors import ConfigurationError, DigestError, DiskError
from kubeparcel.sources.local_mirror import LocalMirror
from kubeparcel.store import Store
from kubeparcel.store_folder import DAY
from kubeparcel.threads import CancelToken

DATA = b"data"


def use_scratch(store: Store) -> None:
    with store.scratch() as folder:
        (folder / "x").write_bytes(b"x")


def use_lock(store: Store) -> None:
    with store.lock("name"):
        pass


def use_partial(store: Store) -> None:
    store.partial("name").write_bytes(b"x" * 100)


def quarantine(store: Store) -> None:
    with store.scratch() as folder:
        (folder / "x").write_bytes(b"x")
        with suppress(DigestError):
            store.add(folder / "x", "0" * 64, "name")


OPERATIONS: dict[str, Callable[[Store], object]] = {
    "add": lambda store: store.add_bytes(DATA),
    "add another": lambda store: store.add_bytes(b"more"),
    "put": lambda store: store.put_record("go", "key", [1]),
    "get": lambda store: store.get_record("go", "key"),
    "delete": lambda store: store.delete_record("go", "key"),
    "partial": use_partial,
    "scratch": use_scratch,
    "lock": use_lock,
    "open lock": lambda store: store.open_lock_file("name").close(),
    "quarantine": quarantine,
    "prune": lambda store: read_cache(store).remove(),
}


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with everything in it that a run leaves behind."""
    for name in ("add", "put", "partial", "scratch", "lock", "quarantine"):
        OPERATIONS[name](store)
    return store


def entries(store: Store) -> list[Path]:
    return sorted(store.root.rglob("*"))


COUNT = 13
"""Files and folders of a filled store."""


@pytest.mark.parametrize("number", range(COUNT))
@pytest.mark.parametrize("age", [0, 30 * DAY])
def test_symbolic_link_in_the_cache_leads_no_write_outside(filled, tmp_path, number, age):
    paths = entries(filled)
    assert len(paths) == COUNT
    planted = paths[number]
    outside = tmp_path / "outside"
    planted.rename(outside)
    planted.symlink_to(outside)
    for path in (outside, *outside.rglob("*")):
        os.utime(path, (time.time() - age,) * 2)
    before = snapshot(outside)
    for name, operate in OPERATIONS.items():
        with suppress(ConfigurationError, DiskError, DigestError):
            operate(Store(filled.root))
        assert snapshot(outside) == before, name


@pytest.mark.parametrize("folder", ["partial", "held"])
def test_hard_link_in_the_cache_leads_no_write_outside(filled, tmp_path, folder):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (filled.root / folder / "name").unlink(missing_ok=True)
    (filled.root / folder / "name").hardlink_to(outside)
    for operate in OPERATIONS.values():
        operate(filled)
    assert outside.read_bytes() == b"precious"


def test_link_to_a_folder_is_named(store, tmp_path):
    store.root.mkdir()
    (tmp_path / "outside").mkdir()
    (store.root / "memory").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigurationError, match=r"cache/memory is a symbolic link") as caught:
        store.put_record("go", "key", 1)
    assert "Replace it with a folder" in caught.value.hint


def test_cache_may_be_reached_through_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "disk")
    store = Store(tmp_path / "cache")
    assert store.get(store.add_bytes(DATA)).read_bytes() == DATA


def test_link_put_in_place_of_a_partial_file_is_not_written_through(tmp_path):
    mirror = tmp_path / "mirror/dl.example.com/file"
    mirror.parent.mkdir(parents=True)
    mirror.write_bytes(DATA)
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / "part").symlink_to(outside)
    transport = LocalMirror(tmp_path / "mirror")
    with pytest.raises(DiskError, match="part"):
        transport.copy("https://dl.example.com/file", tmp_path / "part", lambda *_: None, CancelToken())
    assert outside.read_bytes() == b"precious"


def test_folder_exchanged_for_a_link_while_it_is_open_is_not_followed(tmp_path):
    (tmp_path / "root/inner").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "file").write_bytes(DATA)
    folder = OwnFolder(tmp_path / "root")
    with folder.open(tmp_path / "root/inner") as descriptor:
        (tmp_path / "root/inner").rename(tmp_path / "root/moved")
        (tmp_path / "root/inner").symlink_to(tmp_path / "outside")
        os.replace(tmp_path / "file", "file", dst_dir_fd=descriptor)
    assert (tmp_path / "root/moved/file").read_bytes() == DATA
    assert not [*(tmp_path / "outside").iterdir()]


def snapshot(path: Path) -> object:
    """Return everything of a file or folder that a write would change."""
    status = path.lstat()
    if not path.is_dir():
        return path.read_bytes(), status.st_mtime_ns, status.st_mode
    return status.st_mtime_ns, status.st_mode, {entry.name: snapshot(entry) for entry in path.iterdir()}
