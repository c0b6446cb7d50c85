"""Records are believed only if they were made with the key in the configuration folder."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kubeparcel import paths, record_key
from kubeparcel.store import Store

VALUE = {"kubelet": "ab" * 32}


@pytest.fixture(autouse=True)
def forget_the_key() -> None:
    record_key._derived_key.cache_clear()


def of_another_key(record: Path) -> None:
    store = Store(record.parents[2])
    store.put_record("go", "other", {"kubelet": "cd" * 32})
    [other] = [path for path in record.parent.iterdir() if path != record]
    shutil.copy(other, record)


def of_another_kind(record: Path) -> None:
    store = Store(record.parents[2])
    store.put_record("archive", "recipe", {"kubelet": "cd" * 32})
    shutil.copy(store.root / "memory/archive" / record.name, record)


def of_another_user(record: Path) -> None:
    environment = {**os.environ, "KUBEPARCEL_CONFIG": str(record.with_name("other"))}
    script = (
        "import sys, pathlib, kubeparcel.store as s; s.Store(pathlib.Path(sys.argv[1])).put_record('go', 'recipe', 1)"
    )
    subprocess.run([sys.executable, "-c", script, record.parents[2]], env=environment, check=True)


def edit(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda record: record.write_bytes(change(record.read_bytes()))


FORGERIES: Mapping[str, Callable[[Path], object]] = {
    "no seal": edit(lambda _: json.dumps(VALUE).encode()),
    "another value": edit(lambda data: data.replace(b"abab", b"baba")),
    "empty MAC": edit(lambda _: b'{"mac": "", "value": {}}\n'),
    "another MAC": edit(lambda data: b'{"mac": "' + b"0" * 32 + data[9 + 32 :]),
    "truncated": edit(lambda data: data[:-10]),
    "extended": edit(lambda data: data + b"\n"),
    "deep": edit(lambda _: b"[" * 1_000_000),
    "empty": edit(lambda _: b""),
    "of another key": of_another_key,
    "of another kind": of_another_kind,
    "of another user": of_another_user,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_forged_record_is_ignored(store, forge):
    store.put_record("go", "recipe", VALUE)
    assert Store(store.root).get_record("go", "recipe") == VALUE
    [record] = (store.root / "memory/go").iterdir()
    forge(record)
    assert store.get_record("go", "recipe") is None
    assert record not in dict(store.records("go"))


def test_key_is_private_and_outside_of_the_cache(store):
    store.put_record("go", "recipe", VALUE)
    key = paths.config_dir() / "cache.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    assert [*paths.config_dir().iterdir()] == [key]
    assert not key.is_relative_to(store.root)


@pytest.mark.parametrize("damage", [lambda key: key.chmod(0o644), lambda key: key.write_bytes(b"short")])
def test_key_that_others_may_know_is_replaced(store, damage):
    store.put_record("go", "recipe", VALUE)
    key = paths.config_dir() / "cache.key"
    before = key.read_bytes()
    damage(key)
    record_key._derived_key.cache_clear()
    assert store.get_record("go", "recipe") is None
    assert key.read_bytes() != before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_machines_with_a_common_secret_share_a_cache(store, monkeypatch):
    monkeypatch.setenv("KUBEPARCEL_CACHE_KEY", "a secret of the CI system")
    store.put_record("go", "recipe", VALUE)
    assert not paths.config_dir().exists()
    monkeypatch.setenv("KUBEPARCEL_CONFIG", str(store.root.with_name("elsewhere")))
    assert store.get_record("go", "recipe") == VALUE
    monkeypatch.setenv("KUBEPARCEL_CACHE_KEY", "another secret")
    assert store.get_record("go", "recipe") is None


def test_without_a_place_for_the_key_records_are_valid_for_one_process(store, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("KUBEPARCEL_CONFIG", str(tmp_path / "file/config"))
    store.put_record("go", "recipe", VALUE)
    assert store.get_record("go", "recipe") == VALUE
    record_key._derived_key.cache_clear()
    assert store.get_record("go", "recipe") is None


def test_processes_that_start_together_agree_on_a_key(tmp_path):
    script = "from kubeparcel.record_key import authenticator as a; print(a('x').hexdigest())"
    processes = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(6)]
    assert len({process.communicate()[0] for process in processes}) == 1
