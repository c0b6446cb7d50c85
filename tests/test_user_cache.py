"""A cache that others can write to is named in a warning."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kubeparcel import user_cache
from kubeparcel.paths import cache_dir
from kubeparcel.user_cache import open_store, other_writers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    return folder


def test_new_cache_is_private_whatever_the_umask_is(log):
    before = os.umask(0)
    try:
        open_store(log).put_record("go", "key", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(cache_dir().stat().st_mode) == 0o700
    open_store(log)
    assert log.warnings == []


def test_cache_that_everybody_can_write_to_is_warned_of_once(folder, log):
    folder.chmod(0o777)
    for _ in range(2):
        open_store(log)
    [warning] = log.warnings
    assert warning.startswith(f"Every user can write to the cache {folder}")
    assert f"chmod 700 {folder}" in warning


def test_cache_of_a_group_is_warned_of_unless_the_group_is_the_users_own(folder, monkeypatch):
    folder.chmod(0o770)
    monkeypatch.setattr(user_cache, "_is_private_group", lambda gid: True)
    assert other_writers(folder) == ""
    monkeypatch.setattr(user_cache, "_is_private_group", lambda gid: False)
    assert other_writers(folder).startswith("Group ")


def test_cache_of_another_user_is_warned_of(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert other_writers(folder).startswith("Its owner, ") is (folder.stat().st_uid != 0)
    if not os.getuid():
        os.chown(folder, 54321, -1)
        assert other_writers(folder) == "Its owner, user 54321,"


def test_missing_cache_has_no_writers(tmp_path):
    assert other_writers(tmp_path / "none") == ""
