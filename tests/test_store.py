"""The store: files by their digest and records, in a folder that several processes share."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubeparcel.errors import DigestError, DiskError
from kubeparcel.files import atomic_write, translate_os_errors
from kubeparcel.paths import PACKAGE
from kubeparcel.store import DAY, Store

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
    return subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)})


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


def test_old_leftovers_of_killed_processes_are_removed(store):
    for folder, age in (("scratch", DAY), ("partial", 7 * DAY)):
        for name, seconds in (("new", 60), ("old", age + 60)):
            path = store.root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if folder == "scratch" else path.write_bytes(b"x")
            os.utime(path, (time.time() - seconds,) * 2)
    later = Store(store.root)
    later.partial("x")
    with later.scratch():
        assert not (store.root / "scratch/old").exists()
    assert (store.root / "scratch/new").exists()
    assert [path.name for path in (store.root / "partial").iterdir()] == ["new"]


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


def test_waiting_for_a_lock_can_be_given_up(store):
    def give_up() -> None:
        raise TimeoutError

    with store.lock("work"), pytest.raises(TimeoutError), Store(store.root).lock("work", give_up):
        pytest.fail("the lock was acquired twice")
    with store.lock("work"):
        pass


def test_file_in_place_of_the_store_is_reported(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = Store(tmp_path / "file")
    for use in (lambda: store.partial("x"), lambda: store.get_record("go", "x")):
        with pytest.raises(DiskError, match="A file is in the way of a folder"):
            use()


def test_file_is_written_completely_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "file"
    with pytest.raises(TypeError), atomic_write(target) as part:
        part.write_bytes("no bytes")
    assert list(target.parent.iterdir()) == []
    with atomic_write(target) as part:
        part.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"


def test_only_errors_of_the_disk_become_disk_errors(tmp_path):
    with pytest.raises(FileNotFoundError), translate_os_errors(tmp_path):
        (tmp_path / "none").read_bytes()


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


def test_read_only_store_offers_a_scratch_folder_elsewhere(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with Store(tmp_path / "file").scratch(elsewhere=True) as folder:
        (folder / "x").write_bytes(b"x")
    assert not folder.exists()


def test_full_disk_is_reported_for_the_file_that_is_written(tmp_path):
    for error in (
        OSError(28, "No space left", "source", None, "target"),
        OSError(30, "Read-only", "a", None, "target"),
    ):
        with pytest.raises(DiskError, match=r"^target:"), translate_os_errors(tmp_path):
            raise error
    with pytest.raises(DiskError, match=r"^source:"), translate_os_errors(tmp_path):
        raise OSError(errno.EIO, "I/O error", "source", None, "target")
