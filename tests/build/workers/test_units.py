"""Units of work: values that any process can do, each done once for all releases."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest

from kubeparcel.build.release_build import build_release
from kubeparcel.build.release_plan import fetch_units, plan_release
from kubeparcel.build.workers.check_unit import CheckUnit
from kubeparcel.build.workers.dask_workers import preferred_worker
from kubeparcel.build.workers.scheduler import LocalWorkers, Scheduler, run_all
from kubeparcel.build.workers.units import DURATIONS, AssembleUnit, FetchUnit, Resource
from kubeparcel.config.settings import load_settings
from kubeparcel.console import Log, QuietLog
from kubeparcel.errors import DigestError, ToolError
from kubeparcel.model import Arch
from kubeparcel.store import Store
from kubeparcel.verify.layout.path_owners import PathOwners, manifest_paths
from tests.build.assembled import manifests
from tests.support.fake_sources import FakeModules, locked


@dataclass(frozen=True)
class Work:
    """A unit that calls a function."""

    key: str
    work: Callable[[], Any]
    weight: float = 1
    resource: Resource = Resource.GO

    @property
    def label(self) -> str:
        return self.key

    def cached(self, store: Store) -> Any:
        return None

    def run(self, store: Store, log: Log) -> Any:
        return self.work()


def test_units_can_be_sent_to_another_process_and_keep_their_keys(workdir, lock, binaries, store, fake_sources):
    fake_sources()
    (manifest, *_) = packages = manifests(lock, binaries, store, format="deb")
    assembled = AssembleUnit.of(manifest, store)
    owners = PathOwners.of(path for package in packages for path in manifest_paths(package))
    checked = CheckUnit(assembled.run(store, QuietLog()), owners)
    fetched = fetch_units(lock.artifacts, lock, load_settings({}), store)
    for unit in (assembled, checked, *fetched):
        copy = pickle.loads(pickle.dumps(unit))
        assert (copy.key, copy.label, copy.resource, copy.weight) == (unit.key, unit.label, unit.resource, unit.weight)
    assert len({unit.key for unit in (assembled, checked, *fetched)}) == 5


def test_releases_share_the_units_of_equal_components(workdir, store):
    older, newer = (
        {unit.key for unit in fetch_units(lock.artifacts, lock, load_settings({}), store)}
        for lock in (locked("1.36.2"), locked("1.36.3"))
    )
    assert len(older & newer) == 2
    assert len(older | newer) == 4


def test_compiling_takes_as_long_as_the_last_time(workdir, store, fake_sources, log):
    fake_sources(go=FakeModules())
    lock = locked(arches=tuple(Arch))
    compiled = type(lock)(lock.request, "go", lock.components, "go1.26.8")
    settings = load_settings({"arch": "amd64"})

    def weights() -> dict[str, float]:
        return {unit.label: unit.weight for unit in fetch_units(compiled.artifacts, compiled, settings, store)}

    assert weights()["Kubernetes amd64"] > 4 * weights()["cri-tools amd64"]
    store.put_record(DURATIONS, "cri-tools", 1000)
    assert weights()["cri-tools arm64"] == 1000


def test_missing_input_is_named(workdir, lock, binaries, store, log, monkeypatch):
    release = plan_release(load_settings({"format": "deb"}), lock)
    fetched = {component: digests for (component, _), digests in binaries.items()}
    monkeypatch.setattr(FetchUnit, "cached", lambda unit, _: fetched[unit.artifacts[0].component])
    store.path(binaries["kubernetes", Arch.AMD64]["kubelet"]).unlink()
    with LocalWorkers(store, log) as workers, pytest.raises((DigestError, ToolError), match="/usr/bin/kubelet"):
        asyncio.run(build_release(release, Scheduler(workers.submit, store), store, log))


def test_equal_unit_is_done_once_for_all_who_need_it(store, log):
    done = []

    async def both(scheduler: Scheduler) -> list[Any]:
        return await run_all([scheduler.run(Work("same", lambda: done.append("x") or len(done))) for _ in range(2)])

    with LocalWorkers(store, log) as workers:
        assert asyncio.run(both(Scheduler(workers.submit, store))) == [1, 1]


def test_failure_reaches_all_who_need_the_unit_and_nobody_else(store, log):
    def fail() -> None:
        raise ToolError("go build failed")

    async def run(scheduler: Scheduler) -> list[Any]:
        units = [Work("bad", fail), Work("bad", fail), Work("good", lambda: "fine")]
        return await asyncio.gather(*map(scheduler.run, units), return_exceptions=True)

    with LocalWorkers(store, log) as workers:
        first, second, good = asyncio.run(run(Scheduler(workers.submit, store)))
    assert (str(first), str(second), good) == ("go build failed", "go build failed", "fine")


def test_local_workers_do_the_longest_unit_first(store, log):
    order, begun = [], threading.Event()
    with LocalWorkers(store, log) as workers:
        futures = [workers.submit(Work("first", begun.wait))]
        futures += [
            workers.submit(Work(str(weight), lambda weight=weight: order.append(weight), weight))
            for weight in (1, 30, 5)
        ]
        begun.set()
        for future in futures:
            future.result(60)
    assert order == [30, 5, 1]


def test_unit_is_cancelled_when_the_last_release_that_needs_it_fails(store):
    submitted = {}

    def submit(unit: Any) -> Future[Any]:
        return submitted.setdefault(unit.key, Future())

    async def run() -> None:
        scheduler = Scheduler(submit, store)

        async def release(*keys: str) -> None:
            await run_all([scheduler.run(Work(key, lambda: None)) for key in keys])

        failing = asyncio.ensure_future(release("bad", "own", "shared"))
        other = asyncio.ensure_future(release("shared"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        submitted["bad"].set_exception(ToolError("failed"))
        with pytest.raises(ToolError):
            await failing
        await asyncio.sleep(0.01)
        assert (submitted["own"].cancelled(), submitted["shared"].cancelled()) == (True, False)
        submitted["shared"].set_result(None)
        await other

    asyncio.run(run())


WORKERS = ("tcp://10.0.0.2:1", "tcp://10.0.0.1:1")


def test_the_deb_and_the_rpm_of_a_program_are_made_by_one_worker(lock, binaries, store):
    preferred = [(m.name, preferred_worker(m, WORKERS)) for m in manifests(lock, binaries, store, format="deb,rpm")]
    assert len(preferred) == 2 * len(set(preferred)) == 10


def test_packages_are_spread_over_the_workers_in_whatever_order_these_are_listed(lock, binaries, store):
    packages = manifests(lock, binaries, store, format="deb")
    preferred = [preferred_worker(package, WORKERS) for package in packages]
    assert set(preferred) == set(WORKERS)
    assert preferred == [preferred_worker(package, WORKERS[::-1]) for package in packages]
