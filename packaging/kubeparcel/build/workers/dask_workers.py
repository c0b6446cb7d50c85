"""Runs units on the workers of a Dask scheduler. Values travel through Dask, files through the remote cache.

A worker that cannot run a unit (another version, no Go, a full disk) is reported once and not used again; lost
workers and schedulers only delay a build.
"""

from __future__ import annotations

import itertools
import threading
import time
import zlib
from collections.abc import Collection, Mapping
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from kubeparcel.build.workers.check_unit import CheckUnit
from kubeparcel.build.workers.dask_client import RETURN_TIMEOUT, Connection
from kubeparcel.build.workers.dask_results import WorkerResults
from kubeparcel.build.workers.dask_worker import Outcome, differences, identity, run_unit
from kubeparcel.build.workers.units import AssembleUnit, FetchUnit, Resource, Submit, Unit
from kubeparcel.console import Log, WithoutRepetitions
from kubeparcel.errors import ExternalError
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.shared_store import SharedStore
from kubeparcel.store import Store

STARTED_WITH = {Resource.GO: "Go", Resource.PRIVILEGED: "podman or docker"}
"""Resources that workers have if they are started with them, and what their machines need."""


@dataclass(eq=False)
class _Job:
    """A unit, its future for the build, its task for Dask, and the addresses of the workers that may run it."""

    unit: Unit
    future: Future[Any] = field(default_factory=Future)
    task: Any = None
    allowed: frozenset[str] = frozenset()
    waiting_since: float = 0.0
    guard: threading.Lock = field(default_factory=threading.Lock)


class DaskWorkers:
    """Workers of a scheduler, as a context. `local` runs the units that only this machine can run."""

    def __init__(self, connection: Connection, resources: frozenset[Resource], store: Store, local: Submit, log: Log):
        self._connection, self._resources, self._store, self._local = connection, resources, store, local
        self._log = WithoutRepetitions(log)
        self._results = WorkerResults(store, local, self._log)
        self._remote = store.remote.location if isinstance(store, SharedStore) else ""
        self._identity = identity()
        self._workers: Mapping[str, Any] = {}
        self._unfit: dict[str, set[Resource]] = {}
        self._numbers = itertools.count()
        self._jobs: set[_Job] = set()
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(8, "dask")

    def __enter__(self) -> Self:
        client = self._connection.client()
        self._workers = self._connection.workers()
        for address, answer in client.run(identity, on_error="return").items():
            problem = f"kubeparcel is missing: {answer}" if isinstance(answer, Exception) else ""
            if problem := problem or differences(answer, self._identity):
                self._exclude(address, problem, self._resources)
        usable = [worker for address, worker in self._workers.items() if address not in self._unfit]
        self._log.info("Workers", f"{len(usable)} at {self._connection.address}")
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._connection.close([job.task for job in self._jobs if job.task])
        self._pool.shutdown(cancel_futures=True)

    def submit(self, unit: Unit) -> Future[Any]:
        """Start a unit on a worker that can run it, or here; of those that wait, the heaviest are started first."""
        if unit.resource not in self._resources or self._is_local(unit):
            return self._local(unit)
        job = _Job(unit)
        self._jobs.add(job)
        job.future.add_done_callback(lambda _: self._forget(job))
        self._in_background(self._start, job)
        return job.future

    def _is_local(self, unit: Unit) -> bool:
        """Return whether a unit needs files that only this machine has. It need not be able to run a level."""
        rejected = unit.resource is not Resource.PRIVILEGED and any(map(self._store.rejects, unit.inputs))
        return rejected or (isinstance(unit, FetchUnit) and bool(unit.tree))

    def _forget(self, job: _Job) -> None:
        self._jobs.discard(job)
        if job.future.cancelled() and job.task:
            self._in_background(job.task.cancel)

    def _in_background(self, call: Any, *args: Any) -> None:
        with suppress(RuntimeError):  # the pool is shut down
            self._pool.submit(call, *args)

    def _start(self, job: _Job) -> None:
        """Send a unit to Dask, once its files are in the remote cache and there is a worker for it."""
        try:
            with job.guard:
                client = self._connection.client()
                if job.future.done() or (job.task and job.task.client is client and job.allowed & self._workers.keys()):
                    return None
                job.allowed = self._workers_for(job.unit)
                if not job.allowed:
                    return self._log.warn(f"No worker can run {job.unit.resource} units: waiting for one.")
                self._share(job.unit)
                job.task = client.submit(
                    *(run_unit, job.unit, self._remote, self._identity),
                    key=f"{job.unit.resource}-{job.unit.label.replace('/', '-')}-{next(self._numbers)}",
                    priority=job.unit.weight,
                    resources={job.unit.resource: 1} if job.unit.resource in STARTED_WITH else None,
                    pure=False,
                    **self._restriction(job),
                )
                job.task.add_done_callback(lambda task: self._in_background(self._finish, job, task))
        except Exception as error:
            _settle(job, error=error)

    def _workers_for(self, unit: Unit) -> frozenset[str]:
        """Return the addresses of workers that can run a unit, except those known to be unfit."""
        able = [
            address
            for address, worker in self._workers.items()
            if unit.resource not in STARTED_WITH or worker["resources"].get(unit.resource)
        ]
        fit = [address for address in able if unit.resource not in self._unfit.get(address, ())]
        if able and not fit:
            raise ExternalError(
                f"{unit.label}: no worker at {self._connection.address} can be used.",
                "The warnings above say why. All machines need the same kubeparcel, nfpm and KUBEPARCEL_CACHE_KEY.",
            )
        return frozenset(fit)

    def _restriction(self, job: _Job) -> dict[str, Any]:
        """Return where Dask may run a unit, and where it should, unless others are idle.

        A package is checked by another worker than made it, if there is one.
        """
        others = job.allowed
        if isinstance(job.unit, CheckUnit):
            others -= {self._results.maker(job.unit.package.sha256)}
        if self._unfit:
            return {"workers": sorted(others or job.allowed)}
        if isinstance(job.unit, AssembleUnit):
            others = frozenset([preferred_worker(job.unit.manifest, others)])
        return {"workers": sorted(others), "allow_other_workers": True} if others not in (job.allowed, set()) else {}

    def _share(self, unit: Unit) -> None:
        self._store.share(unit.inputs)
        if isinstance(self._store, SharedStore) and self._store.remote.problem:
            raise ExternalError(
                f"Workers get files through the remote cache, which cannot be used: {self._store.remote.problem}",
                "This machine and all workers must be able to read and write it.",
            )

    def _finish(self, job: _Job, task: Any) -> None:
        """Take the outcome of a unit, or start it again."""
        if job.future.done() or task is not job.task or self._closed.is_set():
            return None
        try:
            if task.status == "error":
                return _settle(job, error=_task_error(job.unit, task.exception()))
            outcome: Outcome = task.result(timeout=RETURN_TIMEOUT)
        except Exception as error:
            if task.client.status == "running" and not isinstance(error, CancelledError | OSError):
                return _settle(job, error=error)
            # With the scheduler, all it knew was lost.
            self._log.warn(f"The scheduler {self._connection.address} was lost: waiting for it.")
        else:
            if not outcome.unfit:
                return self._results.accept(job.unit, outcome).add_done_callback(lambda done: _settle_as(job, done))
            resources = self._resources if outcome.unfit_for_all else {job.unit.resource}
            self._exclude(outcome.address, outcome.unfit, resources)
        with job.guard:
            job.task = None
        return self._start(job)

    def _exclude(self, address: str, problem: str, resources: frozenset[Resource] | set[Resource]) -> None:
        with self._guard:
            unfit = self._unfit.setdefault(address, set())
            first, all_units = not resources <= unfit, resources == self._resources
            unfit |= resources
        if first:
            name = self._workers.get(address, {}).get("name", address)
            purpose = "" if all_units else f" for {', '.join(resources)} units"
            self._log.warn(f"Worker {name} is not used{purpose}: {problem}")

    def _watch(self) -> None:
        """Start units again whose workers are gone, and fail those for which none appears."""
        while not self._closed.wait(1):
            with suppress(Exception):  # while the scheduler is lost
                self._workers = self._connection.workers()
                for job in list(self._jobs):
                    self._look_after(job)

    def _look_after(self, job: _Job) -> None:
        if job.allowed & self._workers.keys():
            job.waiting_since = 0.0
            return None
        job.waiting_since = job.waiting_since or time.monotonic()
        if time.monotonic() - job.waiting_since < RETURN_TIMEOUT:
            return self._in_background(self._start, job)
        resource, needed = job.unit.resource, STARTED_WITH.get(job.unit.resource)
        place, option = (f" on a machine with {needed}", f" --resources {resource}=1") if needed else ("", "")
        error = ExternalError(
            f"{job.unit.label}: no worker for {resource} units appeared at {self._connection.address} "
            f"for {RETURN_TIMEOUT} s.",
            f"Start one{place}: dask worker {self._connection.address} --nthreads 1{option}",
        )
        return _settle(job, error=error)


def preferred_worker(manifest: PackageManifest, workers: Collection[str]) -> str:
    """Return the address of the worker that should make a package, of at least one.

    It is the same for the deb and the rpm of a program, so that the program is read once.
    """
    number = zlib.crc32(f"{manifest.name} {manifest.version} {manifest.arch}".encode())
    return sorted(workers)[number % len(workers)]


def _task_error(unit: Unit, error: Exception) -> Exception:
    """Return the error for a task that ended without an outcome."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return ExternalError(f"{unit.label} ended its worker several times.", "See the workers' logs: out of memory?")
    return error


def _settle_as(job: _Job, done: Future[Any]) -> None:
    """Give a job the result or the error of a future that is done."""
    error = done.exception()
    _settle(job, None if error else done.result(), error)


def _settle(job: _Job, result: Any = None, error: BaseException | None = None) -> None:
    with suppress(InvalidStateError):  # it was cancelled
        if error:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
