"""Benchmark publishing against Debian's publishers, on the same packages.

Whole processes are timed, including signing; the best of three rounds counts.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import publishers
from tests.bench.figures import Figure
from tests.bench.pools import LARGE, MANY, SMALL, Pools, linked
from tests.bench.publishers import OURS, Publisher, Run, Spent
from tests.support.consistency import CHANGES, VersionChange, kill_at_renames, watch_client
from tests.support.kill_at_syscall import start_publisher
from tests.support.package_builders import five

if TYPE_CHECKING:
    from tests.bench.packages import Ground

ROUNDS = 3
Times = Mapping[str, Mapping[str, Spent]]
"""The best time of all rounds, by step and by publisher."""

HASH_AND_COPY = """
import hashlib, os, shutil, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

target = Path(sys.argv[2])
target.mkdir()

def digest(path):
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    shutil.copyfile(path, target / path.name)

started = time.monotonic()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(digest, Path(sys.argv[1]).iterdir()))
os.sync()
print(time.monotonic() - started)
"""


def debs(_: Ground, scratch: Path) -> Iterator[Figure]:
    """Measure publishing 10,000 debs."""
    pools = Pools()
    times = _rounds(pools, "deb", publishers.DEB, scratch / "debs")
    rivals = ("apt-ftparchive", "aptly")
    yield _absolute("publish-deb", "nothing changed", times["again"], 0.5)
    yield _ratio("publish-deb", "one package more", times["add"], rivals, 0.5)
    yield _ratio("publish-deb", "one more", times["add"], ("apt-ftparchive without xz",), 1.0)
    yield _ratio("publish-deb", "the first time", times["first"], ("aptly",), 1.0)
    yield _memory("publish-deb", times)


def rpms(_: Ground, scratch: Path) -> Iterator[Figure]:
    """Measure publishing 10,000 RPMs."""
    pools = Pools()
    times = _rounds(pools, "rpm", publishers.RPM, scratch / "rpms")
    rivals = ("createrepo_c",)
    yield _absolute("publish-rpm", "nothing changed", times["again"], 0.5)
    yield _ratio("publish-rpm", "one package more", times["add"], rivals, 0.8)
    yield _ratio("publish-rpm", "the first time", times["first"], rivals, 1.6)
    yield _memory("publish-rpm", times)


def many(_: Ground, scratch: Path) -> Iterator[Figure]:
    """Measure publishing 100,000 debs, which no other publisher is compared with."""
    pools = Pools()
    folder = scratch / "many"
    run = Run(OURS, folder, pools, linked(pools.small("deb-many", pools.deb, MANY), folder / "pool"))
    subprocess.run(["sync", "-f", folder], check=True)
    spent = {"the first time": run.first(), "one package more": run.add(pools.deb(run.pool, MANY))}
    shutil.rmtree(folder)
    for (step, (seconds, _)), limit in zip(spent.items(), (10.0, 2.0), strict=True):
        value = f"{seconds:.2f} s"
        yield Figure("publish-many", f"{MANY:,} packages, {step}", value, f"≤ {limit} s", seconds <= limit)
    most = max(megabytes for _, megabytes in spent.values())
    yield Figure("publish-many", "largest process", f"{most:.0f} MB", "≤ 350 MB", most <= 350)


def large(_: Ground, scratch: Path) -> Iterator[Figure]:
    """Measure publishing 200 packages of real size against hashing and copying them in two threads."""
    pools = Pools()
    folder = scratch / "large"
    pool = folder / "pool"
    pool.mkdir(parents=True)
    for number in range(LARGE):
        pools.large(pool, number)
    subprocess.run(["sync", "-f", pool], check=True)
    copy_seconds, publish_seconds = [], []
    for number in range(ROUNDS):
        argv = [sys.executable, "-c", HASH_AND_COPY, pool, folder / "copies"]
        completed = subprocess.run(argv, capture_output=True, text=True, check=True)
        copy_seconds.append(float(completed.stdout))
        shutil.rmtree(folder / "copies")
        run_folder = folder / str(number)
        run_folder.mkdir()
        run = Run(OURS, run_folder, pools, pool)
        publish_seconds.append(run.first())
        shutil.rmtree(run_folder)
    shutil.rmtree(folder)
    best, limit = min(publish_seconds), min(copy_seconds)
    yield Figure(
        "publish-large",
        f"{LARGE} packages, 5 GB, the first time {best.seconds:.2f} s; sha256 and copy in two threads {limit:.2f} s",
        f"{best.seconds / limit:.2f} of the time, {best.megabytes:.0f} MB",
        "≤ 1.3",
        best.seconds / limit <= 1.3,
    )


def steady(_: Ground, scratch: Path) -> Iterator[Figure]:
    """Count inconsistent views during publishes, and after interrupted ones."""
    area = scratch / "steady"
    area.mkdir()
    environment = {**Pools().environment, "KUBEPARCEL_CACHE": str(area / "cache")}
    with start_publisher(environment) as publisher:
        publisher.publish(area / "repo", five(area / "dist"))
        newer = five(area / "newer", "1.36.4")
        change = VersionChange(publisher, area / "repo", newer, "=1.36.4-1")
        for description, observations in (
            (f"{CHANGES} publishes, read without pause", watch_client(change)),
            ("a publish and a removal, killed at each rename", kill_at_renames(change)),
        ):
            yield Figure(
                "publish-steady",
                f"{description}: {observations.views} views",
                f"{len(observations.problems)} inconsistent",
                "0",
                not observations.problems,
            )


def _rounds(pools: Pools, kind: str, others: Sequence[Publisher], scratch: Path) -> Times:
    times: dict[str, dict[str, Spent]] = {"first": {}, "again": {}, "add": {}}
    for number in range(ROUNDS):
        for publisher in (OURS, *others):
            folder = scratch / f"{publisher.name}-{number}"
            for step, spent in _round(publisher, pools, kind, folder).items():
                best = times[step].setdefault(publisher.name, spent)
                times[step][publisher.name] = Spent(*map(min, best, spent))
            shutil.rmtree(folder)
    return times


def _round(publisher: Publisher, pools: Pools, kind: str, folder: Path) -> Mapping[str, Spent]:
    """Publish for the first time, then without changes, then with one more package."""
    make = pools.single_deb if publisher.single else {"deb": pools.deb, "rpm": pools.rpm}[kind]
    source = pools.small(f"{kind}-single" if publisher.single else kind, make)
    run = Run(publisher, folder, pools, linked(source, folder / "pool"))
    subprocess.run(["sync", "-f", folder], check=True)
    first = run.first()
    before = _repository_files(folder)
    again = run.again()
    if publisher is OURS and _repository_files(folder) != before:
        raise SystemExit("kubeparcel wrote or signed files although nothing had changed")
    return {"first": first, "again": again, "add": run.add(make(run.pool, SMALL))}


def _repository_files(folder: Path) -> Mapping[Path, tuple[int, int]]:
    """Return the files of the repository with inode and mtime, without the lock."""
    files = (p for p in (folder / "repo").rglob("*") if p.name != "lock")
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def _absolute(part: str, step: str, times: Mapping[str, Spent], limit: float) -> Figure:
    seconds = times[OURS.name].seconds
    return Figure(part, _description(step, times), f"{seconds:.2f} s", f"≤ {limit} s", seconds <= limit)


def _ratio(part: str, step: str, times: Mapping[str, Spent], rivals: Sequence[str], limit: float) -> Figure:
    """Return our time relative to the fastest rival's."""
    name = min(rivals, key=lambda rival: times[rival].seconds)
    ratio = times[OURS.name].seconds / times[name].seconds
    return Figure(part, _description(step, times), f"{ratio:.2f} of {name}'s time", f"≤ {limit}", ratio <= limit)


def _description(step: str, times: Mapping[str, Spent]) -> str:
    rows = ", ".join(f"{name} {spent.seconds:.2f} s" for name, spent in times.items())
    return f"{SMALL:,} packages, {step}: {rows}"


def _memory(part: str, times: Times) -> Figure:
    names = times["first"]
    most = {name: max(done[name].megabytes for done in times.values()) for name in names}
    rows = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in most.items())
    ours = most[OURS.name]
    return Figure(part, f"largest process: {rows}", f"{ours:.0f} MB", "≤ 150 MB", ours <= 150)
