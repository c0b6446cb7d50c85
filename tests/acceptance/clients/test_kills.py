"""Publishing is killed at two hundred points of its way, while clients read the repository."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from tests.acceptance.clients.conftest import Place
from tests.acceptance.clients.loops import Loop, running
from tests.acceptance.engines import require_programs
from tests.support import client_view
from tests.support.kill_at_syscall import InterruptiblePublisher, KillPoint, start_publisher
from tests.support.package_builders import five
from tests.support.web_server import WebServer

NEWER = "1.36.4-1"
GENERATIONS = 3
IN_A_ROW = 4
"""A publish is killed, the one that repairs it too, and two more after that; then one may end."""

ROWS = 29
"""How often that is done to a publish, and how often to its undoing."""

ASKED = 9
"""After so many rows clients have to tell what they see; in between they read at their pace."""


@pytest.fixture
def publisher(config: Path) -> Iterator[InterruptiblePublisher]:
    require_programs("strace", "apt-get", "dnf")
    own = {"KUBEPARCEL_CONFIG": str(config), "KUBEPARCEL_CACHE": str(config.parent / "cache")}
    with start_publisher(own) as started:
        yield started


def rows(points: list[KillPoint]) -> list[tuple[KillPoint, ...]]:
    """Points from all over the way, but for its end, which differs from time to time.

    In a row the later points come last: who is killed early leaves nearly all of the way to go.
    """
    last = len(points) - 5
    part = last // IN_A_ROW
    assert part > ROWS
    starts = [part * at // ROWS for at in range(ROWS)]
    return [tuple(points[start + part * number] for number in range(IN_A_ROW)) for start in starts]


def test_every_kill_leaves_the_old_or_the_new_repository_to_apt_and_dnf(
    publisher: InterruptiblePublisher, publish: Place, web: WebServer, tmp_path: Path
) -> None:
    newer = five(tmp_path / "newer", "1.36.4")
    repo = publish(five(tmp_path / "dist"), tmp_path / "repo", web.address)
    web.root = repo
    old = client_view.read_repository(repo)
    add = partial(publisher.publish, repo, newer)
    remove = partial(publisher.remove, repo, f"={NEWER}")
    for _ in range(GENERATIONS):  # until there is as much to clear away as there ever will be
        adding = publisher.kill_points(repo=str(repo), source=str(newer))
        new = client_view.read_repository(repo)
        removing = publisher.kill_points(repo=str(repo), selector=f"={NEWER}")
    assert new.keys() == old.keys() == {"apt stable", "yum stable"}
    left: Counter[tuple[str, str]] = Counter()
    with running(tmp_path / "clients", repo) as loops:
        todo = [(add, "publish", "new", row) for row in rows(adding)]
        undo = [(remove, "removal", "old", row) for row in rows(removing)]
        work = chain.from_iterable(zip(todo, undo, strict=True))
        for number, (change, name, wanted, points) in enumerate(work, 1):
            for point in points:
                if change(kill_at=point):
                    left.update((name, now) for now in states(repo, old, new))
            change()
            assert set(states(repo, old, new)) == {wanted}, points
            keep_up(loops, number, wanted)
    kills = sum(left.values()) // len(old)
    read = {loop.name: loop.rounds for loop in loops}
    tears = sum(len(loop.tears) for loop in loops)
    print(f"{kills} kills, no broken view; rounds: {read}, {tears} torn; left behind: {dict(left)}")
    assert kills >= 200
    assert min(left.values()) > 20
    assert len(left) == 4
    assert tears <= kills // 50


def states(repo: Path, old: dict[str, dict[str, str]], new: dict[str, dict[str, str]]) -> list[str]:
    """Whether each format's suite is the old or the new one; every byte of it is looked at.

    Packages are compared by name: those that are published again are signed again.
    """
    found = []
    for suite, packages in client_view.read_repository(repo).items():
        names = packages.keys()
        assert names in (old[suite].keys(), new[suite].keys()), f"{suite}: {sorted(names)}"
        found.append("new" if names == new[suite].keys() else "old")
    assert len(found) == len(old)
    return found


def keep_up(loops: list[Loop], number: int, wanted: str) -> None:
    """Clients have read as often as there were rows; now and then, they see what is there now."""
    for loop in loops:
        loop.reached(number)
    if number % ASKED == 0:
        moment = time.monotonic()
        for loop in loops:
            loop.asked.set()
        for loop in loops:
            assert (NEWER in loop.since(moment)) is (wanted == "new"), loop.name
