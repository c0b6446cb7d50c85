"""How steady a repository is: what a client sees while it changes, and what kills leave of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from kubeparcel.packages.compression import decompress_index
from tests.repository.crash_injection import InterruptiblePublisher, KillPoint
from tests.support import client_view

CHANGES = 50
_SETTLED = 3
"""After so many changes there is as much to clear away as there will be."""


@dataclass
class Observations:
    """How often was looked, and what was wrong, in words."""

    views: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class VersionChange:
    """Two versions that come and go: `newer` has packages of the version that `word` means."""

    publisher: InterruptiblePublisher
    repo: Path
    newer: Path
    selector: str

    def add(self, at: KillPoint | None = None) -> bool:
        return self.publisher.publish(self.repo, self.newer, at)

    def remove(self, at: KillPoint | None = None) -> bool:
        return self.publisher.remove(self.repo, self.selector, at)


def watch_client(change: VersionChange, changes: int = CHANGES) -> Observations:
    """Change a repository so many times while a client reads it without a pause.

    A client that is slow is waited for: changes go on until it has looked as often.
    """
    found = Observations()
    over = threading.Event()

    def poll() -> None:
        while not over.is_set():
            found.views += 1
            try:
                check_view(change.repo)
            except (AssertionError, OSError) as error:
                found.problems.append(f"{error!r}"[:200])

    client = threading.Thread(target=poll)
    client.start()
    try:
        number = 0
        while number < changes or (client.is_alive() and found.views <= changes):
            (change.remove if number % 2 else change.add)()
            number += 1
    finally:
        over.set()
        client.join()
    return found


def kill_at_renames(change: VersionChange) -> Observations:
    """Kill a publish, and its undoing, at each rename; none may leave a mix, or need a hand."""
    old = client_view.read_repository(change.repo)
    for _ in range(_SETTLED):
        adding = _renames(change.publisher.points(repo=str(change.repo), source=str(change.newer)))
        new = client_view.read_repository(change.repo)
        removing = _renames(change.publisher.points(repo=str(change.repo), word=change.selector))
    found = Observations()
    for pair in zip_longest(adding, removing):
        for act, point, goal in ((change.add, pair[0], new), (change.remove, pair[1], old)):
            if point and act(point):
                found.views += 1
                found.problems += _left(change.repo, old, new, point)
            act()
            found.problems += _left(change.repo, goal, goal, ("after", *(point or ())))
    return found


def _renames(points: list[KillPoint]) -> list[KillPoint]:
    return [point for point in points if point[0].startswith("rename")]


def _left(
    repo: Path, old: client_view.Suites, new: client_view.Suites, where: object
) -> Iterator[str]:
    """What is neither old nor new, a suite each."""
    try:
        now = client_view.read_repository(repo)
        for suite in {*old, *now}:
            if now.get(suite) not in (old.get(suite), new.get(suite)):
                yield f"{where}: {suite}"
    except (AssertionError, OSError) as error:
        yield f"{where}: {error!r}"[:200]


def check_view(repo: Path) -> None:
    """What apt and dnf read, in their order, down to the packages; raises what does not fit."""
    inrelease = _apt(repo / "apt", repo / "apt/dists/stable")
    client_view.verify_signature_of(repo, inrelease)
    entry, signature = _entry(repo / "yum/stable/repodata")
    client_view.verify_signature_of(repo, signature, entry)
    for part in entry.decode().split("<data type=")[1:]:
        href, digest = (_between(part, *ends) for ends in ((' href="', '"'), ('256">', "<")))
        data = (repo / "yum/stable" / href).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest, href
        if "primary" in href:
            for package in decompress_index(href, data).decode().split('<location href="')[1:]:
                assert (repo / "yum/stable" / package.partition('"')[0]).stat().st_size


def _apt(base: Path, suite: Path) -> bytes:
    inrelease = (suite / "InRelease").read_bytes()
    for line in inrelease.decode().partition("SHA256:\n")[2].partition("-----")[0].splitlines():
        if line.endswith(".gz"):
            digest, _, name = line.split()
            data = ((suite / name).parent / "by-hash/SHA256" / digest).read_bytes()
            assert hashlib.sha256(data).hexdigest() == digest, name
            for row in decompress_index(name, data).decode().split("\nFilename: ")[1:]:
                assert (base / row.partition("\n")[0]).stat().st_size
    return inrelease


def _entry(folder: Path) -> tuple[bytes, bytes]:
    """Two files are read one after the other: whatever changed in between is read again."""
    while True:
        entry = (folder / "repomd.xml").read_bytes()
        signature = (folder / "repomd.xml.asc").read_bytes()
        if (folder / "repomd.xml").read_bytes() == entry:
            return entry, signature


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]
