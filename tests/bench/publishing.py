"""Publishing, beside the programs that Debian has for it, on the same packages in the same minute.

Processes are timed whole, signing included, and of three rounds the best counts.
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
from tests.bench.pools import LARGE, SMALL, Pools, linked
from tests.bench.publishers import OURS, Publisher, Run, Spent
from tests.support.consistency import CHANGES, VersionChange, kill_at_renames, watch_client
from tests.support.kill_at_syscall import start_publisher
from tests.support.package_builders import five

if TYPE_CHECKING:
    from tests.bench.packages import Ground

ROUNDS = 3
Times = Mapping[str, Mapping[str, Spent]]
"""By what was done, and by publisher: the best of all rounds."""

HASH = """
import hashlib, json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")

started = time.monotonic()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(digest, Path(sys.argv[1]).iterdir()))
print(time.monotonic() - started)
"""


def debs(_: Ground, scratch: Path) -> Iterator[Figure]:
    """10,000 debs."""
    pools = Pools()
    times = _rounds(pools, "deb", publishers.DEB, scratch / "debs")
    rivals = ("apt-ftparchive", "aptly")
    yield _absolute("publish-deb", "nothing changed", times["again"], 0.5)
    yield _ratio("publish-deb", "one package more", times["add"], rivals, 0.5)
    yield _ratio("publish-deb", "one more", times["add"], ("apt-ftparchive without xz",), 1.0)
    yield _ratio("publish-deb", "the first time", times["first"], ("aptly",), 1.0)
    yield _memory("publish-deb", times)


def rpms(_: Ground, scratch: Path) -> Iterator[Figure]:
    """10,000 rpms."""
    pools = Pools()
    times = _rounds(pools, "rpm", publishers.RPM, scratch / "rpms")
    rivals = ("createrepo_c",)
    yield _absolute("publish-rpm", "nothing changed", times["again"], 0.5)
    yield _ratio("publish-rpm", "one package more", times["add"], rivals, 0.8)
    yield _ratio("publish-rpm", "the first time", times["first"], rivals, 1.6)
    yield _memory("publish-rpm", times)


def large(_: Ground, scratch: Path) -> Iterator[Figure]:
    """200 packages as large as real ones: not slower than hashing them with two threads."""
    pools = Pools()
    folder = scratch / "large"
    pool = folder / "pool"
    pool.mkdir(parents=True)
    for number in range(LARGE):
        pools.large(pool, number)
    subprocess.run(["sync", "-f", pool], check=True)
    limits, ours = [], []
    for number in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", HASH, pool], capture_output=True, text=True, check=True
        )
        limits.append(float(done.stdout))
        place = folder / str(number)
        place.mkdir()
        run = Run(OURS, place, pools, pool)
        ours.append(run.first())
        shutil.rmtree(place)
    shutil.rmtree(folder)
    best, limit = min(ours), min(limits)
    yield Figure(
        "publish-large",
        f"{LARGE} packages, 5 GB, the first time {best.seconds:.2f} s; "
        f"sha256 with two threads {limit:.2f} s",
        f"{best.seconds / limit:.2f} of the time, {best.megabytes:.0f} MB",
        "≤ 1.3",
        best.seconds / limit <= 1.3,
    )


def steady(_: Ground, scratch: Path) -> Iterator[Figure]:
    """Five packages: views that do not fit together, and what kills leave."""
    area = scratch / "steady"
    area.mkdir()
    own = {**Pools().environment, "KUBEPARCEL_CACHE": str(area / "cache")}
    with start_publisher(own) as waiting:
        waiting.publish(area / "repo", five(area / "dist"))
        newer = five(area / "newer", "1.36.4")
        change = VersionChange(waiting, area / "repo", newer, "=1.36.4-1")
        for what, found in (
            (f"{CHANGES} publishes, read without a pause", watch_client(change)),
            ("a publish and a removal, killed at each rename", kill_at_renames(change)),
        ):
            yield Figure(
                "publish-steady",
                f"{what}: {found.views} times",
                f"{len(found.problems)} do not fit together",
                "0",
                not found.problems,
            )


def _rounds(pools: Pools, kind: str, others: Sequence[Publisher], scratch: Path) -> Times:
    found: dict[str, dict[str, Spent]] = {"first": {}, "again": {}, "add": {}}
    for number in range(ROUNDS):
        for publisher in (OURS, *others):
            folder = scratch / f"{publisher.name}-{number}"
            for what, spent in _round(publisher, pools, kind, folder).items():
                best = found[what].setdefault(publisher.name, spent)
                found[what][publisher.name] = Spent(*map(min, best, spent))
            shutil.rmtree(folder)
    return found


def _round(publisher: Publisher, pools: Pools, kind: str, folder: Path) -> Mapping[str, Spent]:
    """Publish for the first time, then without a change, then with one package more."""
    make = pools.single_deb if publisher.single else {"deb": pools.deb, "rpm": pools.rpm}[kind]
    source = pools.small(f"{kind}-single" if publisher.single else kind, make)
    run = Run(publisher, folder, pools, linked(source, folder / "pool"))
    subprocess.run(["sync", "-f", folder], check=True)
    first = run.first()
    before = _written(folder)
    again = run.again()
    if publisher is OURS and _written(folder) != before:
        raise SystemExit("kubeparcel wrote or signed although nothing had changed")
    return {"first": first, "again": again, "add": run.add(make(run.pool, SMALL))}


def _written(folder: Path) -> Mapping[Path, tuple[int, int]]:
    """The files of our repository with inode and time; the lock says who was the last to look."""
    files = (p for p in (folder / "repo").rglob("*") if p.name != "lock")
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def _absolute(part: str, what: str, times: Mapping[str, Spent], limit: float) -> Figure:
    seconds = times[OURS.name].seconds
    return Figure(part, _said(what, times), f"{seconds:.2f} s", f"≤ {limit} s", seconds <= limit)


def _ratio(
    part: str, what: str, times: Mapping[str, Spent], rivals: Sequence[str], limit: float
) -> Figure:
    """Our time as a part of the quickest rival's."""
    name = min(rivals, key=lambda rival: times[rival].seconds)
    ratio = times[OURS.name].seconds / times[name].seconds
    return Figure(
        part, _said(what, times), f"{ratio:.2f} of {name}'s time", f"≤ {limit}", ratio <= limit
    )


def _said(what: str, times: Mapping[str, Spent]) -> str:
    rows = ", ".join(f"{name} {spent.seconds:.2f} s" for name, spent in times.items())
    return f"{SMALL:,} packages, {what}: {rows}"


def _memory(part: str, times: Times) -> Figure:
    names = times["first"]
    most = {name: max(done[name].megabytes for done in times.values()) for name in names}
    rows = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in most.items())
    ours = most[OURS.name]
    return Figure(part, f"largest process: {rows}", f"{ours:.0f} MB", "≤ 150 MB", ours <= 150)
