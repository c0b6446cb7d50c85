"""Files by their digest, in a folder that several processes share."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubeparcel.errors import DigestError, DiskError
from kubeparcel.paths import PACKAGE
from kubeparcel.store import DAY, Store, atomic_write, translate_os_errors

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


def names(store: Store) -> list[str]:
    """All that has a final name."""
    return [path.name for path in (store.root / "sha256").glob("*/*")]


def adding(store: Store, source: Path, times: int) -> subprocess.Popen[bytes]:
    """A process that adds a file to the store, and then so many that are a little longer."""
    argv = [sys.executable, "-c", ADD, store.root, source, str(times)]
    return subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)})


def test_a_file_is_found_by_its_digest(store):
    with store.scratch() as folder:
        (folder / "x").write_bytes(b"data")
        digest = store.add(folder / "x")
    assert digest == hashlib.sha256(b"data").hexdigest()
    assert store.has(digest)
    assert store.get(digest).read_bytes() == b"data"
    assert store.get(digest).stat().st_mode & 0o777 == 0o644


def test_a_file_with_another_digest_is_set_aside(store):
    with store.scratch() as folder:
        (folder / "x").write_bytes(b"data")
        with pytest.raises(DigestError, match="kubelet amd64: the sha256 is 3a6eb0790f39") as caught:
            store.add(folder / "x", "0" * 64, "kubelet amd64")
    aside = store.root / "quarantine/kubelet-amd64-3a6eb0790f39"
    assert aside.read_bytes() == b"data"
    assert str(aside) in caught.value.hint
    assert names(store) == []


def test_a_damaged_file_is_noticed_when_it_is_used(store):
    digest = store.add_bytes(b"data")
    store.path(digest).write_bytes(b"damaged")
    with pytest.raises(DigestError, match="damaged"):
        store.get(digest, "kubelet")
    assert not store.has(digest)


def test_what_another_process_set_aside_first_is_no_fault(store):
    digest = store.add_bytes(b"data")
    store.path(digest).unlink()
    assert store.quarantine(store.path(digest), "kubelet", "ab" * 32).name == "kubelet-abababababab"


def test_several_processes_add_the_same_file(store, tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "data").write_bytes(data)
    workers = [adding(store, tmp_path / "data", 1) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    [digest] = names(store)
    assert store.get(digest).read_bytes() == data
    assert list((store.root / "scratch").iterdir()) == []


def test_a_process_that_is_killed_leaves_nothing_under_a_final_name(store, tmp_path):
    (tmp_path / "data").write_bytes(os.urandom(200_000))
    for attempt in range(4):
        with adding(store, tmp_path / "data", 1_000_000) as worker:
            before = len(names(store))
            while len(names(store)) == before and worker.poll() is None:
                time.sleep(0.003 + attempt * 0.001)
            worker.kill()
    found = names(store)
    assert found
    for name in found:
        assert store.get(name)


def test_what_killed_processes_left_is_removed_when_it_is_old(store):
    for folder, age in (("scratch", DAY), ("partial", 7 * DAY)):
        for name, seconds in (("new", 60), ("old", age + 60)):
            path = store.root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if folder == "scratch" else path.write_bytes(b"x")
            os.utime(path, (time.time() - seconds,) * 2)
    again = Store(store.root)
    again.partial("x")
    with again.scratch():
        assert not (store.root / "scratch/old").exists()
    assert (store.root / "scratch/new").exists()
    assert [path.name for path in (store.root / "partial").iterdir()] == ["new"]


def test_memory_survives_and_damage_is_forgotten(store):
    assert store.get_record("go", "recipe") is None
    store.put_record("go", "recipe", {"kubelet": "ab"})
    assert Store(store.root).get_record("go", "recipe") == {"kubelet": "ab"}
    [memo] = (store.root / "memory/go").iterdir()
    memo.write_bytes(b"{")
    assert store.get_record("go", "recipe") is None


def test_who_waits_for_a_held_name_may_give_up(store):
    def give_up() -> None:
        raise TimeoutError

    with store.lock("work"), pytest.raises(TimeoutError), Store(store.root).lock("work", give_up):
        pytest.fail("it was held twice")
    with store.lock("work"):
        pass


def test_a_store_where_a_file_is_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = Store(tmp_path / "file")
    for use in (lambda: store.partial("x"), lambda: store.get_record("go", "x")):
        with pytest.raises(DiskError, match="A file is in the way of a folder"):
            use()


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "file"
    with pytest.raises(TypeError), atomic_write(target) as part:
        part.write_bytes("no bytes")
    assert list(target.parent.iterdir()) == []
    with atomic_write(target) as part:
        part.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"


def test_only_what_the_disk_says_becomes_a_disk_error(tmp_path):
    with pytest.raises(FileNotFoundError), translate_os_errors(tmp_path):
        (tmp_path / "none").read_bytes()
