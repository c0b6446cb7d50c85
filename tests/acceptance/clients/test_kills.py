"""Publishing is killed at two hundred points, while clients read the repository."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from tests.acceptance.clients.conftest import PublishFolder
from tests.acceptance.clients.loops import Loop, running
from tests.acceptance.engines import require_programs
from tests.support import client_view
from tests.support.kill_at_syscall import InterruptiblePublisher, KillPoint, start_publisher
from tests.support.package_builders import five
from tests.support.web_server import WebServer

NEWER = "1.36.4-1"
GENERATIONS = 3
ATTEMPTS = 6
"""A publish is killed, as are five attempts to repair it; the next one finishes."""

SERIES = 20
"""The number of such series for a publish, and for its removal."""

CHECK_INTERVAL = 8
"""After so many series the output of clients is checked; in between they read at their own pace."""


@pytest.fixture
def publisher(config: Path) -> Iterator[InterruptiblePublisher]:
    require_programs("strace", "apt-get", "dnf")
    environment = {"KUBEPARCEL_CONFIG": str(config), "KUBEPARCEL_CACHE": str(config.parent / "cache")}
    with start_publisher(environment) as started:
        yield started


def kill_series(points: list[KillPoint]) -> list[tuple[KillPoint, ...]]:
    """Return series of points over the whole publish, without its end, which varies.

    Within a series the points get later: after an early kill nearly everything is left to do.
    """
    last = len(points) - 5
    part = last // ATTEMPTS
    assert part > SERIES
    starts = [part * index // SERIES for index in range(SERIES)]
    return [tuple(points[start + part * number] for number in range(ATTEMPTS)) for start in starts]


def test_every_kill_leaves_the_old_or_the_new_repository_to_apt_and_dnf(
    publisher: InterruptiblePublisher, publish: PublishFolder, web: WebServer, tmp_path: Path
) -> None:
    newer = five(tmp_path / "newer", "1.36.4")
    repo = publish(five(tmp_path / "dist"), tmp_path / "repo", web.address)
    web.root = repo
    old = client_view.read_repository(repo)
    add = partial(publisher.publish, repo, newer)
    remove = partial(publisher.remove, repo, f"={NEWER}")
    for _ in range(GENERATIONS):  # until old generations are removed as well
        adding = publisher.kill_points(repo=str(repo), source=str(newer))
        new = client_view.read_repository(repo)
        removing = publisher.kill_points(repo=str(repo), selector=f"={NEWER}")
    assert new.keys() == old.keys() == {"apt stable", "yum stable"}
    outcomes: Counter[tuple[str, str]] = Counter()
    with running(tmp_path / "clients", repo) as loops:
        publishes = [(add, "publish", "new", series) for series in kill_series(adding)]
        removals = [(remove, "removal", "old", series) for series in kill_series(removing)]
        work = chain.from_iterable(zip(publishes, removals, strict=True))
        for number, (change, name, expected, points) in enumerate(work, 1):
            for point in points:
                if change(kill_at=point):
                    outcomes.update((name, state) for state in suite_states(repo, old, new))
            change()
            assert set(suite_states(repo, old, new)) == {expected}, points
            check_clients(loops, number, expected)
    kills = sum(outcomes.values()) // len(old)
    rounds = {loop.name: loop.rounds for loop in loops}
    races = sum(len(loop.races) for loop in loops)
    print(f"{kills} kills, no inconsistent view; rounds: {rounds}, {races} races; outcomes: {dict(outcomes)}")
    assert kills >= 200
    assert min(outcomes.values()) > 20
    assert len(outcomes) == 4
    assert races <= kills // 50


def suite_states(repo: Path, old: dict[str, dict[str, str]], new: dict[str, dict[str, str]]) -> list[str]:
    """Return whether each format's suite is the old or the new one, after reading all of it.

    Packages are compared by name: packages published again have new signatures.
    """
    states = []
    for suite, packages in client_view.read_repository(repo).items():
        names = packages.keys()
        assert names in (old[suite].keys(), new[suite].keys()), f"{suite}: {sorted(names)}"
        states.append("new" if names == new[suite].keys() else "old")
    assert len(states) == len(old)
    return states


def check_clients(loops: list[Loop], number: int, expected: str) -> None:
    """Wait for a round of each client per series; check its output now and then."""
    for loop in loops:
        loop.wait_for_rounds(number)
    if number % CHECK_INTERVAL == 0:
        moment = time.monotonic()
        for loop in loops:
            loop.requested.set()
        for loop in loops:
            assert (NEWER in loop.output_after(moment)) is (expected == "new"), loop.name
