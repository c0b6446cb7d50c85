"""When a publish is killed clients find the old or the new repository; the next one just works."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.log import Quiet
from kubeparcel.publish import disk, publisher
from kubeparcel.publish.directory import Directory
from kubeparcel.publish.publisher import Target

from . import crash, look
from .conftest import Publish
from .handmade import five

SAMPLES = 12
"""How many points the quick tests try; the acceptance tests try all."""


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return five(tmp_path / "newer", "1.36.4")


def check_point(repo: Path, newer: Path, area: Path, at: int) -> int:
    """Kill a publish at one point of its way and look at what is left; give how far it came."""
    copy = area / f"at-{at}"
    shutil.copytree(repo, copy)
    before = look.whole(copy)
    reached = crash.publish(newer, copy, at)
    left = look.whole(copy)
    publisher.publish(newer, Target(str(copy)), Quiet(), unchecked=True)
    after = look.whole(copy)
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
        look.whole(repo)
    publish()
    assert len(look.whole(repo)) == 4


def test_a_killed_removal_run_again_finishes_it(
    publish: Publish, repo: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    publish(newer)
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "_switch", killed)
        with pytest.raises(Killed):
            publisher.remove(["=1.36.4-1"], Target(str(repo)), Quiet())
    assert "kubelet_1.36.4-1_amd64.deb" in look.whole(repo)["apt stable"]
    publisher.remove(["=1.36.4-1"], Target(str(repo)), Quiet())
    assert "kubelet_1.36.4-1_amd64.deb" not in look.whole(repo)["apt stable"]
    with pytest.raises(UsageError, match="no such package"):
        publisher.remove(["=1.36.4-1"], Target(str(repo)), Quiet())


class Killed(BaseException):
    """As SIGKILL: nobody is prepared for it."""


def killed(*_: object) -> None:
    raise Killed


def test_clients_never_see_two_generations_at_once(
    publish: Publish, repo: Path, tmp_path: Path
) -> None:
    publish()
    wrong: list[str] = []
    views = 0
    done = threading.Event()

    def poll() -> None:
        nonlocal views
        while not done.is_set():
            views += 1
            try:
                _view(repo)
            except (OSError, AssertionError) as error:
                wrong.append(repr(error))

    client = threading.Thread(target=poll)
    client.start()
    for number in range(4, 9):
        publish(five(tmp_path / f"more-{number}", f"1.36.{number}"))
    done.set()
    client.join()
    assert not wrong
    assert views > 5


def _view(repo: Path) -> None:
    """What apt and dnf read, in their order: the entry, then what it names."""
    text = (repo / "apt/dists/stable/InRelease").read_text()
    for line in text.partition("SHA256:\n")[2].partition("-----")[0].split("\n"):
        if line.endswith(".gz"):
            digest, _, name = line.split()
            folder = (repo / "apt/dists/stable" / name).parent
            assert (folder / "by-hash/SHA256" / digest).read_bytes()
    repomd = (repo / "yum/stable/repodata/repomd.xml").read_text()
    for part in repomd.split('href="')[1:]:
        assert (repo / "yum/stable" / part.partition('"')[0]).read_bytes()


def test_where_folders_cannot_be_exchanged_entries_come_last(
    publish: Publish, repo: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    monkeypatch.setattr(disk, "exchange", lambda first, second: False)
    publish(newer)
    assert "kubelet_1.36.4-1_amd64.deb" in look.whole(repo)["apt stable"]
