"""The folder of the store: temporary files and locks."""

from __future__ import annotations

import os
import time

import pytest

from kubeparcel.store_folder import DAY, StoreFolder


def test_old_leftovers_of_killed_processes_are_removed(tmp_path):
    store = StoreFolder(tmp_path)
    for folder, age in (("scratch", DAY), ("partial", 7 * DAY)):
        for name, seconds in (("new", 60), ("old", age + 60)):
            path = store.root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if folder == "scratch" else path.write_bytes(b"x")
            os.utime(path, (time.time() - seconds,) * 2)
    later = StoreFolder(store.root)
    later.partial("x")
    with later.scratch():
        assert not (store.root / "scratch/old").exists()
    assert (store.root / "scratch/new").exists()
    assert [path.name for path in (store.root / "partial").iterdir()] == ["new"]


def test_waiting_for_a_lock_can_be_given_up(tmp_path):
    store = StoreFolder(tmp_path)

    def give_up() -> None:
        raise TimeoutError

    with store.lock("work"), pytest.raises(TimeoutError), StoreFolder(store.root).lock("work", give_up):
        pytest.fail("the lock was acquired twice")
    with store.lock("work"):
        pass


def test_read_only_store_offers_a_scratch_folder_elsewhere(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with StoreFolder(tmp_path / "file").scratch(elsewhere=True) as folder:
        (folder / "x").write_bytes(b"x")
    assert not folder.exists()
