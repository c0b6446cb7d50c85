"""Many releases on several machines: two workers compared with one, the cost of a task, the remote cache, and planning.

Workers have a core each. The client and the scheduler have cores of their own where there are any, else they share that
of the first worker, with one worker as with two: in the first case, the second core would otherwise do their work for
free.

Files of a remote are on another machine, so that neither we nor cp find them in memory. Of files in memory, nothing
that verifies reaches 0.8 of cp: for 288 MB, cp needs 0.13 s of a core (it copies memory), SHA-256 0.16 s (1.8 GB/s).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.release_build import build_release
from kubeparcel.build.release_plan import ReleasePlan, plan_release
from kubeparcel.build.workers.dask_client import Connection
from kubeparcel.build.workers.dask_workers import DaskWorkers
from kubeparcel.build.workers.scheduler import BUILD, LocalWorkers, Scheduler, run_all
from kubeparcel.build.workers.units import AssembleUnit, FetchUnit, Submit, Unit
from kubeparcel.config.settings import load_settings
from kubeparcel.console import QuietLog
from kubeparcel.model import Arch
from kubeparcel.record_key import VARIABLE
from kubeparcel.reports.results import Check
from kubeparcel.repository.storage.remotes import FolderRemote
from kubeparcel.shared_store import Remote, SharedStore
from kubeparcel.store import Store
from tests.bench.figures import Figure
from tests.bench.packages import Ground
from tests.support.dask_cluster import SECRET, Cluster
from tests.support.dask_units import TextUnit
from tests.support.fake_sources import fake_binaries, locked
from tests.support.memory import peak_megabytes
from tests.support.waiting import TIMEOUT

Programs = dict[tuple[str, Arch], dict[str, str]]
"""The digests of programs by name, by the artifact's origin and architecture."""

VERSIONS = ("1.34.9", "1.35.6", "1.36.3")
ARCHES = (Arch.AMD64, Arch.ARM64)
BINARY_SIZE = 24_000_000
TASKS = 200
FILES, FILE_SIZE = 12, 24_000_000


def fleet(_: Ground, scratch: Path) -> Iterator[Figure]:
    """Yield all figures."""
    os.environ[VARIABLE] = SECRET
    folder = scratch / "fleet"
    one, _overhead = _measure_cluster(folder / "one", 1)
    two, overhead = _measure_cluster(folder / "two", 2)
    ratio, limit = one / two, "1.70 × one worker"
    what = "3 versions × 2 architectures on two workers of a core"
    yield Figure("fleet", what, f"{ratio:.2f} × ({two:.1f} s)", limit, ratio >= 1.7)
    yield Figure("fleet", f"{TASKS} empty tasks, each", f"{overhead * 1000:.1f} ms", "50 ms", overhead <= 0.05)
    yield from _remote(folder / "files")
    yield from _simulation()


def _measure_cluster(folder: Path, workers: int) -> tuple[float, float]:
    """Return the seconds of building all releases on so many workers of one core, and those of an empty task."""
    cores = os.sched_getaffinity(0)
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(folder))
        stack.callback(os.sched_setaffinity, 0, cores)
        os.sched_setaffinity(0, cores - {0, 1} or {0})
        cluster.start_scheduler()
        for number in range(workers):
            cluster.start_worker(f"core-{number}", core=number)
        cluster.wait()
        submit, store = stack.enter_context(_connected(cluster))
        plans, binaries = _releases(["1.33.5"], ARCHES, store, folder)
        _build(plans, _with_binaries(submit, binaries), store)  # imports and catalogs
        started = time.monotonic()
        futures = [submit(TextUnit(f"task {number}")) for number in range(TASKS)]
        for future in futures:
            future.result(TIMEOUT)
        overhead = (time.monotonic() - started) / TASKS
        plans, binaries = _releases(VERSIONS, ARCHES, store, folder, BINARY_SIZE)
        started = time.monotonic()
        _build(plans, _with_binaries(submit, binaries), store)
        return time.monotonic() - started, overhead


@contextmanager
def _connected(cluster: Cluster) -> Iterator[tuple[Submit, Store]]:
    log, remote = QuietLog(), FolderRemote(cluster.remote)
    store = SharedStore(cluster.folder / "cache", Remote(remote, log, lookup_only=True))
    connection = Connection(cluster.address)
    with LocalWorkers(store, log) as local, DaskWorkers(connection, BUILD, store, local.submit, log) as workers:
        yield workers.submit, store


def _releases(
    versions: Sequence[str], arches: Sequence[Arch], store: Store, folder: Path, size: int = 0
) -> tuple[list[ReleasePlan], Programs]:
    """Return plans of releases, and their binaries: small programs, those of Kubernetes with `size` bytes more."""
    plans: list[ReleasePlan] = []
    binaries: Programs = {}
    for number, version in enumerate(versions):
        lock = locked(version, f"{version.rpartition('.')[0]}.0", arches=arches)
        plans.append(plan_release(load_settings({"arch": ",".join(arches)}, folder), lock, version))
        for artifact in lock.artifacts:
            more = random.Random(number).randbytes(size // 2).hex().encode()
            for name, program in fake_binaries(artifact).items():
                binaries.setdefault((artifact.origin, artifact.arch), {})[name] = store.add_bytes(
                    program + (more if artifact.component == "kubernetes" else b"")
                )
    return plans, binaries


def _build(plans: Sequence[ReleasePlan], submit: Submit, store: Store) -> None:
    async def build() -> None:
        scheduler = Scheduler(submit, store)
        await run_all([build_release(plan, scheduler, store, QuietLog()) for plan in plans])

    asyncio.run(build())


def _done(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def _with_binaries(submit: Submit, binaries: Programs) -> Submit:
    """Return the same, with binaries that are in the store already."""

    def start(unit: Unit) -> Future[Any]:
        if not isinstance(unit, FetchUnit):
            return submit(unit)
        digests: dict[str, str] = {}
        for artifact in unit.artifacts:
            digests |= binaries[artifact.origin, artifact.arch]
        return _done(digests)

    return start


def _remote(folder: Path) -> Iterator[Figure]:
    """Compare files of a remote folder with copies by cp, whose sources are not in memory either."""
    source = Store(folder / "source")
    contents = (random.Random(number).randbytes(FILE_SIZE) for number in range(FILES))
    digests = [source.add_bytes(content) for content in contents]
    copying, writing, reading = [], [], []
    for run in range(5):
        remote = folder / f"remote-{run}"
        remote.mkdir()
        files = [source.path(sha256) for sha256 in digests]
        writer, reader = (_shared_store(root, remote) for root in (source.root, folder / f"store-{run}"))
        copying.append(_seconds(partial(_copy, files, folder / f"copy-{run}"), files))
        writing.append(_seconds(partial(writer.share, digests), files))
        files = [remote / "sha256" / sha256[:2] / sha256 for sha256 in digests]
        reading.append(_seconds(partial(reader.verify, dict.fromkeys(digests, "a file")), files))
    for what, seconds in (("written to", min(writing)), ("read from", min(reading))):
        ratio, rate = min(copying) / seconds, FILES * FILE_SIZE / 1e6 / seconds
        yield Figure(
            "fleet",
            f"Files {what} a remote folder, digests checked, next to cp",
            f"{ratio:.2f} × ({rate:.0f} MB/s)",
            "0.80 × cp",
            ratio >= 0.8,
        )


def _shared_store(root: Path, remote: Path) -> SharedStore:
    return SharedStore(root, Remote(FolderRemote(remote), QuietLog()))


def _copy(files: Sequence[Path], target: Path) -> None:
    target.mkdir()
    subprocess.run(["cp", "--reflink=never", *files, target], check=True)


def _seconds(work: Callable[[], object], files: Sequence[Path]) -> float:
    """Return the seconds that work takes while none of its files is in memory."""
    os.sync()
    for file in files:
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _simulation() -> Iterator[Figure]:
    process = subprocess.run(
        [sys.executable, "-m", "tests.bench.fleet"], stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    planning, total, memory, packages = json.loads(process.stdout)
    name = "5 minors × 15 patches × 4 architectures"
    yield Figure("fleet", f"{name}: planning {packages:,} packages", f"{planning:.1f} s", "5 s", planning <= 5)
    yield Figure("fleet", f"{name}: memory of the client", f"{memory:.0f} MB ({total:.0f} s)", "300 MB", memory <= 300)


def simulate() -> None:
    """Print the seconds of planning many releases and of all work of the client, its memory in MB, and the packages.

    Workers do every unit at once.
    """
    versions = [f"1.{minor}.{patch}" for minor in range(32, 37) for patch in range(15)]
    packages = 0

    def submit(unit: Unit) -> Future[Any]:
        nonlocal packages
        if isinstance(unit, AssembleUnit):
            packages += 1
            return _done(BuiltPackage(unit.manifest, unit.key, 1, 1.0))
        return _done((Check("simulated", unit.label, "it would pass"),))

    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name))
        _, binaries = _releases(versions, list(Arch), store, Path(name))
        started = time.monotonic()
        plans, _ = _releases(versions, list(Arch), store, Path(name))
        planning = time.monotonic() - started
        _build(plans, _with_binaries(submit, binaries), store)
        total = time.monotonic() - started
    print(json.dumps([planning, total, peak_megabytes(), packages]))


if __name__ == "__main__":
    simulate()
