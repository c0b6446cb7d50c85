"""Check what clients see of a repository while it changes, and after interrupted changes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from kubeparcel.packages.payload_stream import plain_blocks
from tests.support import client_view
from tests.support.kill_at_syscall import InterruptiblePublisher, KillPoint

CHANGES = 50
_WARM_UP_CHANGES = 3
"""After that many changes, each further one also removes files of an old generation."""


@dataclass
class Observations:
    """The number of views of a repository, and the problems found in them."""

    views: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class VersionChange:
    """A version that is added and removed: its packages in `newer`, which `selector` matches."""

    publisher: InterruptiblePublisher
    repo: Path
    newer: Path
    selector: str

    def add(self, kill_at: KillPoint | None = None) -> bool:
        return self.publisher.publish(self.repo, self.newer, kill_at)

    def remove(self, kill_at: KillPoint | None = None) -> bool:
        return self.publisher.remove(self.repo, self.selector, kill_at)


def watch_client(change: VersionChange, changes: int = CHANGES) -> Observations:
    """Change a repository while a client reads it without pause.

    There are at least `changes` changes, and as many views.
    """
    observations = Observations()
    stop = threading.Event()

    def read_repeatedly() -> None:
        while not stop.is_set():
            observations.views += 1
            try:
                check_view(change.repo)
            except (AssertionError, OSError) as error:
                observations.problems.append(f"{error!r}"[:200])

    client = threading.Thread(target=read_repeatedly)
    client.start()
    try:
        number = 0
        while number < changes or (client.is_alive() and observations.views <= changes):
            (change.remove if number % 2 else change.add)()
            number += 1
    finally:
        stop.set()
        client.join()
    return observations


def kill_at_renames(change: VersionChange) -> Observations:
    """Kill an addition and a removal at each rename, then run them again without a kill."""
    old = client_view.read_repository(change.repo)
    for _ in range(_WARM_UP_CHANGES):
        points = change.publisher.kill_points(repo=str(change.repo), source=str(change.newer))
        added_at = _renames(points)
        new = client_view.read_repository(change.repo)
        points = change.publisher.kill_points(repo=str(change.repo), selector=change.selector)
        removed_at = _renames(points)
    observations = Observations()
    for add_at, remove_at in zip_longest(added_at, removed_at):
        for act, point, goal in ((change.add, add_at, new), (change.remove, remove_at, old)):
            if point and act(point):
                observations.views += 1
                observations.problems += _mixed_suites(change.repo, old, new, point)
            act()
            place = f"after {point}"
            observations.problems += _mixed_suites(change.repo, goal, goal, place)
    return observations


def _renames(points: list[KillPoint]) -> list[KillPoint]:
    return [point for point in points if point[0].startswith("rename")]


def _mixed_suites(repo: Path, old: client_view.Suites, new: client_view.Suites, point: object) -> Iterator[str]:
    """Describe the suites that are neither as before nor as after the change."""
    try:
        suites = client_view.read_repository(repo)
        for suite in {*old, *suites}:
            if suites.get(suite) not in (old.get(suite), new.get(suite)):
                yield f"{point}: {suite}"
    except (AssertionError, OSError) as error:
        yield f"{point}: {error!r}"[:200]


def check_view(repo: Path) -> None:
    """Read what apt and dnf read, in their order, and assert that it is consistent."""
    inrelease = _read_apt_suite(repo / "apt", repo / "apt/dists/stable")
    client_view.verify_signature_of(repo, inrelease)
    repomd, signature = _read_repomd(repo / "yum/stable/repodata")
    client_view.verify_signature_of(repo, signature, repomd)
    for part in repomd.decode().split("<data type=")[1:]:
        href, digest = (_between(part, *ends) for ends in ((' href="', '"'), ('256">', "<")))
        data = (repo / "yum/stable" / href).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest, href
        if "primary" in href:
            for package in b"".join(plain_blocks(href, [data])).decode().split('<location href="')[1:]:
                assert (repo / "yum/stable" / package.partition('"')[0]).stat().st_size


def _read_apt_suite(base: Path, suite: Path) -> bytes:
    inrelease = (suite / "InRelease").read_bytes()
    for line in inrelease.decode().partition("SHA256:\n")[2].partition("-----")[0].splitlines():
        if line.endswith(".gz"):
            digest, _, name = line.split()
            data = ((suite / name).parent / "by-hash/SHA256" / digest).read_bytes()
            assert hashlib.sha256(data).hexdigest() == digest, name
            for stanza in b"".join(plain_blocks(name, [data])).decode().split("\nFilename: ")[1:]:
                assert (base / stanza.partition("\n")[0]).stat().st_size
    return inrelease


def _read_repomd(folder: Path) -> tuple[bytes, bytes]:
    """Read repomd.xml and its signature again until repomd.xml did not change in between."""
    while True:
        repomd = (folder / "repomd.xml").read_bytes()
        signature = (folder / "repomd.xml.asc").read_bytes()
        if (folder / "repomd.xml").read_bytes() == repomd:
            return repomd, signature


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]
