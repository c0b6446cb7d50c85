"""Runs units in threads of this process, and each unit once for all releases that need it."""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from kubeparcel.build.workers.units import FetchUnit, Resource, Submit, Unit
from kubeparcel.console import Log
from kubeparcel.interrupts import start_threads
from kubeparcel.paths import user_path
from kubeparcel.store import Store
from kubeparcel.threads import GRACE, PROCESSORS

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings

THREADS = {
    Resource.NETWORK: 4,
    Resource.GO: 1,
    Resource.ASSEMBLE: PROCESSORS,
    Resource.CHECK: min(4, PROCESSORS),
    Resource.PRIVILEGED: 1,
}
"""How many units run at the same time; one `go build` uses all processors."""

BUILD = frozenset({Resource.GO, Resource.ASSEMBLE, Resource.CHECK})
"""The resources of the units of a build that workers run. Downloads depend on this machine: its proxies and mirrors."""

Result = TypeVar("Result")


class LocalWorkers:
    """Threads that run units, those with the largest weight first. Leaving the context cancels what has not started."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store, self._log = store, log
        self._queues: dict[Resource, queue.PriorityQueue[tuple[float, int, Any]]] = defaultdict(queue.PriorityQueue)
        self._threads: dict[Resource, list[threading.Thread]] = {}
        self._numbers = itertools.count()

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        for resource, jobs in self._queues.items():
            for _thread in range(THREADS[resource]):
                jobs.put((-float("inf"), next(self._numbers), None))
        for resource, threads in self._threads.items():
            for thread in threads:  # an unused download would delay the end
                thread.join(GRACE if error or resource is Resource.NETWORK else None)

    def submit(self, unit: Unit) -> Future[Any]:
        """Start a unit as soon as a thread of its resource is free."""
        future: Future[Any] = Future()
        if unit.resource not in self._queues:
            threads = [
                threading.Thread(target=self._work, args=(self._queues[unit.resource],), daemon=True)
                for _ in range(THREADS[unit.resource])
            ]
            self._threads[unit.resource] = threads
            start_threads(threads)
        self._queues[unit.resource].put((-unit.weight, next(self._numbers), (unit, future)))
        return future

    def _work(self, jobs: queue.PriorityQueue[tuple[float, int, Any]]) -> None:
        while (job := jobs.get()[2]) is not None:
            unit, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(unit.run(self._store, self._log))
            except BaseException as error:
                future.set_exception(error)


@contextmanager
def open_workers(
    settings: Settings, store: Store, local: Submit, log: Log, resources: frozenset[Resource] = BUILD
) -> Iterator[Submit]:
    """Yield what starts units: the settings' Dask workers, for those that can be done elsewhere, or else `local`."""
    kind, _, address = settings.workers.partition(":")
    if not kind:
        yield local
        return
    from kubeparcel.build.workers.dask_client import Connection
    from kubeparcel.build.workers.dask_workers import DaskWorkers

    number = address.removeprefix("local:")
    tls = settings.base / user_path(settings.workers_tls) if settings.workers_tls else None
    if number != address:  # on this machine, one `go build` uses all processors
        resources -= {Resource.GO}
    with DaskWorkers(Connection(number, tls), resources, store, local, log) as workers:
        yield workers.submit


@dataclass
class _Job:
    """A unit that was started, and how many releases wait for it."""

    unit: Unit
    future: asyncio.Future[Any]
    waiting: int = 0


class Scheduler:
    """Starts each unit once, unless the store has its result. With workers elsewhere, `local` starts one here."""

    def __init__(self, submit: Submit, store: Store, local: Submit | None = None) -> None:
        self._submit, self._fetch, self._local, self._store = submit, submit, local, store
        self._jobs: dict[str, _Job] = {}

    async def run(self, unit: Unit) -> Any:
        """Return the result of a unit. A unit that is no longer needed is not started."""
        job = self._jobs.get(unit.key)
        if job is None:
            if (result := unit.cached(self._store)) is not None:
                return result
            submit = self._fetch if isinstance(unit, FetchUnit) else self._submit
            job = self._jobs[unit.key] = _Job(unit, asyncio.wrap_future(submit(unit)))
        job.waiting += 1
        try:
            return await asyncio.shield(job.future)
        except asyncio.CancelledError:
            if job.waiting == 1:
                self._jobs.pop(unit.key, None)
                job.future.cancel()
            raise
        finally:
            job.waiting -= 1

    def retry_here(self) -> bool:
        """Forget units that failed, and binaries that are damaged or missing, and fetch all others on this machine.

        Return whether that may help, after a DigestError. The binaries of workers are downloaded, to verify them.
        """
        if self._local is None:
            return False
        self._fetch = self._local
        self._jobs = {key: job for key, job in self._jobs.items() if not self._is_lost(job)}
        return True

    def _is_lost(self, job: _Job) -> bool:
        if not job.future.done():
            return False
        if job.future.cancelled() or job.future.exception():
            return True
        return isinstance(job.unit, FetchUnit) and not all(
            self._store.has(sha256, here=True) for sha256 in job.future.result().values()
        )


async def run_all(work: Iterable[Awaitable[Result]]) -> list[Result]:
    """Return the results in order; the first error cancels the others, and is raised."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
