"""Interrupted publishes leave the old or the new repository, and the next publish works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import UsageError
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.storage import filesystem
from kubeparcel.repository.storage.folder import FolderStorage
from tests.support import client_view, consistency, kill_at_change
from tests.support.consistency import VersionChange
from tests.support.kill_at_change import killed_publishes
from tests.support.kill_at_syscall import start_publisher
from tests.support.repository_fixtures import publish_folder

SAMPLES = 12
"""The number of points at which the quick tests kill a publish."""


def test_killed_publish_leaves_the_old_or_the_new_repository(publish, repo, newer):
    publish()
    before = client_view.read_repository(repo)
    counts = []
    for copy, changes in killed_publishes(newer, repo, SAMPLES):
        interrupted = client_view.read_repository(copy)
        publish_folder(newer, copy)
        after = client_view.read_repository(copy)
        for suite, packages in interrupted.items():
            assert packages.keys() in (before[suite].keys(), after[suite].keys()), (changes, suite)
        assert "kubelet_1.36.4-1_amd64.deb" in after["apt stable"]
        assert not [path for path in copy.rglob(".*") if path.is_file()]
        assert {path.name for path in (copy / ".kubeparcel").iterdir()} == {"history", "lock", "state.json"}
        counts.append(changes)
    assert max(counts) > 60


def test_first_publish_succeeds_after_killed_ones(publish, dist, repo):
    for kill_at in (1, 5, 20, 40, 60):
        kill_at_change.publish(dist, repo, kill_at)
        client_view.read_repository(repo)
    publish()
    assert len(client_view.read_repository(repo)) == 4


def test_killed_removal_is_completed_by_the_same_command(publish, repo, newer, monkeypatch):
    publish()
    publish(newer)
    with monkeypatch.context() as patch:
        patch.setattr(FolderStorage, "_replace_folder", killed)
        with pytest.raises(Killed):
            publisher.remove(["=1.36.4-1"], Target(str(repo)), QuietLog())
    assert "kubelet_1.36.4-1_amd64.deb" in client_view.read_repository(repo)["apt stable"]
    publisher.remove(["=1.36.4-1"], Target(str(repo)), QuietLog())
    assert "kubelet_1.36.4-1_amd64.deb" not in client_view.read_repository(repo)["apt stable"]
    with pytest.raises(UsageError, match="No package in the repository matches"):
        publisher.remove(["=1.36.4-1"], Target(str(repo)), QuietLog())


class Killed(BaseException):
    """Not an Exception, so that no handler runs: a stand-in for SIGKILL."""


def killed(*_: object) -> None:
    raise Killed


@pytest.fixture
def change(key: Path, dist: Path, newer: Path, repo: Path, tmp_path: Path) -> Iterator[VersionChange]:
    """A version that is added to and removed from a repository with one suite."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    environment = {"KUBEPARCEL_CONFIG": str(key), "KUBEPARCEL_CACHE": str(tmp_path / "cache")}
    with start_publisher(environment) as started:
        started.publish(repo, dist)
        yield VersionChange(started, repo, newer, "=1.36.4-1")


@pytest.mark.parametrize("changes", [6, pytest.param(consistency.CHANGES, marks=pytest.mark.acceptance)])
def test_client_sees_consistent_repositories_during_publishes(change, changes):
    observations = consistency.watch_client(change, changes)
    assert not observations.problems
    assert observations.views > changes


@pytest.mark.acceptance
def test_kill_at_any_rename_leaves_consistent_suites(change):
    observations = consistency.kill_at_renames(change)
    assert not observations.problems
    assert observations.views >= 15


def test_check_view_detects_an_inconsistent_repository(change):
    """Most publishers leave such a state for a moment: a new index under an old signature."""
    consistency.check_view(change.repo)
    for pattern in ("apt/dists/stable/InRelease", "yum/stable/repodata/repomd.xml.asc"):
        (path,) = change.repo.glob(pattern)
        old = path.read_bytes()
        change.add()
        new = path.read_bytes()
        path.write_bytes(old.replace(b"stable", b"Stable") if b"stable" in old else old)
        with pytest.raises(AssertionError):
            consistency.check_view(change.repo)
        path.write_bytes(new)
        change.remove()


def test_publish_works_where_folders_cannot_be_exchanged(publish, repo, newer, monkeypatch):
    publish()
    monkeypatch.setattr(filesystem, "exchange_folders", lambda first, second: False)
    publish(newer)
    assert "kubelet_1.36.4-1_amd64.deb" in client_view.read_repository(repo)["apt stable"]
