"""When a publish is killed clients find the old or the new repository; the next one just works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import UsageError
from kubeparcel.repository import publisher
from kubeparcel.repository.publisher import Target
from kubeparcel.repository.storage import filesystem
from kubeparcel.repository.storage.folder import FolderStorage
from tests.repository import consistency, crash, crash_injection
from tests.repository.consistency import VersionChange
from tests.support import client_view
from tests.support.package_builders import five
from tests.support.repository_fixtures import Publish

SAMPLES = 12
"""How many points the quick tests try; the acceptance tests try all."""


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return five(tmp_path / "newer", "1.36.4")


def check_point(repo: Path, newer: Path, area: Path, at: int) -> int:
    """Kill a publish at one point of its way and look at what is left; give how far it came."""
    copy = area / f"at-{at}"
    shutil.copytree(repo, copy)
    before = client_view.read_repository(copy)
    reached = crash.publish(newer, copy, at)
    left = client_view.read_repository(copy)
    publisher.publish(newer, Target(str(copy)), QuietLog(), skip_layout_check=True)
    after = client_view.read_repository(copy)
    for suite, packages in left.items():
        assert packages.keys() in (before[suite].keys(), after[suite].keys()), (at, suite)
    assert "kubelet_1.36.4-1_amd64.deb" in after["apt stable"]
    assert not [p for p in copy.rglob("*") if p.name.startswith(".") and p.is_file()]
    assert {p.name for p in (copy / ".kubeparcel").iterdir()} == {"history", "lock", "state.json"}
    shutil.rmtree(copy)
    return reached


def points(total: int, samples: int) -> Iterator[int]:
    yield from range(1, total + 1, max(total // samples, 1))


def test_a_killed_publish_leaves_the_old_or_the_new_repository(
    publish: Publish, repo: Path, newer: Path, tmp_path: Path
) -> None:
    publish()
    total = check_point(repo, newer, tmp_path, 10_000)
    assert total > 60
    for at in points(total, SAMPLES):
        assert check_point(repo, newer, tmp_path, at) == at


def test_a_killed_first_publish_is_no_obstacle(publish: Publish, dist: Path, repo: Path) -> None:
    for at in (1, 5, 20, 40, 60):
        crash.publish(dist, repo, at)
        client_view.read_repository(repo)
    publish()
    assert len(client_view.read_repository(repo)) == 4


def test_a_killed_removal_run_again_finishes_it(
    publish: Publish, repo: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    """As SIGKILL: nobody is prepared for it."""


def killed(*_: object) -> None:
    raise Killed


@pytest.fixture
def change(
    key: Path, dist: Path, newer: Path, repo: Path, tmp_path: Path
) -> Iterator[VersionChange]:
    """Versions that come and go in a repository with one suite."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    own = {"KUBEPARCEL_CONFIG": str(key), "KUBEPARCEL_CACHE": str(tmp_path / "cache")}
    with crash_injection.start_publisher(own) as waiting:
        waiting.publish(repo, dist)
        yield VersionChange(waiting, repo, newer, "=1.36.4-1")


@pytest.mark.parametrize(
    "changes", [6, pytest.param(consistency.CHANGES, marks=pytest.mark.acceptance)]
)
def test_a_client_that_reads_while_others_publish_sees_what_fits_together(
    change: VersionChange, changes: int
) -> None:
    found = consistency.watch_client(change, changes)
    assert not found.problems
    assert found.views > changes


@pytest.mark.acceptance
def test_a_kill_at_any_rename_leaves_no_mix_and_needs_no_hand(change: VersionChange) -> None:
    found = consistency.kill_at_renames(change)
    assert not found.problems
    assert found.views >= 15


def test_a_view_that_does_not_fit_together_is_noticed(change: VersionChange) -> None:
    """As most publishers leave it for a moment: an index is new, what vouches for it is old."""
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


def test_where_folders_cannot_be_exchanged_entries_come_last(
    publish: Publish, repo: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    monkeypatch.setattr(filesystem, "exchange_folders", lambda first, second: False)
    publish(newer)
    assert "kubelet_1.36.4-1_amd64.deb" in client_view.read_repository(repo)["apt stable"]
