"""The store: files by their digest and records, in a folder that several processes share."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubeparcel.errors import DigestError, DiskError
from kubeparcel.store import Store
from kubeparcel.store_folder import DAY

ADD = """
import sys
from pathlib import Path
from kubeparcel.store import Store
store, data = Store(Path(sys.argv[1])), Path(sys.argv[2]).read_bytes()
for number in range(int(sys.argv[3])):
    with store.scratch() as folder:
        (folder / "file").write_bytes(data + b"x" * number)
        store.add(folder / "file")
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def stored_digests(store: Store) -> list[str]:
    """Return the digests of the stored files."""
    return [path.name for path in (store.root / "sha256").glob("*/*")]


def start_adding(store: Store, source: Path, times: int) -> subprocess.Popen[bytes]:
    """Start a process that adds a file to the store, `times` times, each time a byte longer."""
    argv = [sys.executable, "-c", ADD, store.root, source, str(times)]
    return subprocess.Popen(argv)


def test_file_is_stored_by_its_digest(store):
    with store.scratch() as folder:
        (folder / "x").write_bytes(b"data")
        digest = store.add(folder / "x")
    assert digest == hashlib.sha256(b"data").hexdigest()
    assert store.has(digest)
    assert store.get(digest).read_bytes() == b"data"
    assert store.get(digest).stat().st_mode & 0o777 == 0o644


def test_file_with_another_digest_is_quarantined(store):
    with store.scratch() as folder:
        (folder / "x").write_bytes(b"data")
        with pytest.raises(DigestError, match="kubelet amd64: the sha256 is 3a6eb0790f39") as caught:
            store.add(folder / "x", "0" * 64, "kubelet amd64")
    quarantined = store.root / "quarantine/kubelet-amd64-3a6eb0790f39"
    assert quarantined.read_bytes() == b"data"
    assert str(quarantined) in caught.value.hint
    assert stored_digests(store) == []


def test_damaged_file_is_detected_when_it_is_used(store):
    digest = store.add_bytes(b"data")
    store.path(digest).write_bytes(b"damaged")
    with pytest.raises(DigestError, match="damaged"):
        store.get(digest, "kubelet")
    assert not store.has(digest)


def test_file_that_another_process_quarantined_is_no_error(store):
    digest = store.add_bytes(b"data")
    store.path(digest).unlink()
    assert store.quarantine(store.path(digest), "kubelet", "ab" * 32).name == "kubelet-abababababab"


def test_several_processes_add_the_same_file(store, tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "data").write_bytes(data)
    workers = [start_adding(store, tmp_path / "data", 1) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    [digest] = stored_digests(store)
    assert store.get(digest).read_bytes() == data
    assert list((store.root / "scratch").iterdir()) == []


def test_killed_process_leaves_no_partial_file_in_the_store(store, tmp_path):
    (tmp_path / "data").write_bytes(os.urandom(200_000))
    for attempt in range(4):
        with start_adding(store, tmp_path / "data", 1_000_000) as worker:
            before = len(stored_digests(store))
            while len(stored_digests(store)) == before and worker.poll() is None:
                time.sleep(0.003 + attempt * 0.001)
            worker.kill()
    digests = stored_digests(store)
    assert digests
    for digest in digests:
        assert store.get(digest)


def test_records_are_permanent_and_damaged_ones_are_ignored(store):
    assert store.get_record("go", "recipe") is None
    store.put_record("go", "recipe", {"kubelet": "ab"})
    assert Store(store.root).get_record("go", "recipe") == {"kubelet": "ab"}
    [record] = (store.root / "memory/go").iterdir()
    record.write_bytes(b"{")
    assert store.get_record("go", "recipe") is None


def test_looking_for_a_file_or_record_marks_it_as_used(store):
    digest = store.add_bytes(b"data")
    store.put_record("go", "recipe", {})
    [record] = (store.root / "memory/go").iterdir()
    for path, look_up in (
        (store.path(digest), lambda: store.has(digest)),
        (record, lambda: store.get_record("go", "recipe")),
    ):
        os.utime(path, (0, 0))
        look_up()
        assert time.time() - path.stat().st_mtime < DAY


def test_records_are_listed_by_last_use(store):
    for key in ("old", "new"):
        store.put_record("go", key, key)
    [(old, _)] = [(path, value) for path, value in store.records("go") if value == "old"]
    os.utime(old, (0, 0))
    assert [value for _, value in store.records("go")] == ["new", "old"]
    old.write_bytes(b"{")
    assert [value for _, value in store.records("go")] == ["new"]


def test_every_damaged_or_missing_file_is_named(store):
    digests = {store.add_bytes(name.encode()): name for name in ("kubelet", "kubectl", "kubeadm", "crictl")}
    damaged, removed, intact, other = digests
    store.path(damaged).write_bytes(b"x")
    store.path(other).write_bytes(b"y")
    store.path(removed).unlink()
    with pytest.raises(DigestError) as caught:
        store.verify(digests)
    lines = caught.value.message.splitlines()
    assert [line.partition(":")[0].partition(" ")[0] for line in lines] == ["kubelet", "kubectl", "crictl"]
    assert caught.value.hint.count("The damaged copy was moved to") == 2
    assert store.get(intact)


def test_file_in_place_of_the_store_is_reported(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = Store(tmp_path / "file")
    for use in (lambda: store.partial("x"), lambda: store.get_record("go", "x")):
        with pytest.raises(DiskError, match="A file is in the way of a folder"):
            use()
