"""Runs units on a Dask worker, with the worker's own store, and identifies the worker."""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel import __version__
from kubeparcel.build.manifests import cache_programs
from kubeparcel.build.workers.units import FetchUnit, Resource
from kubeparcel.console import Log, QuietLog
from kubeparcel.errors import DiskError, ExternalError, KubeparcelError, ToolError, Unreachable
from kubeparcel.hosts.engine import EngineUnavailable
from kubeparcel.paths import cache_dir, source_digest
from kubeparcel.record_key import VARIABLE
from kubeparcel.shared_store import Remote, SharedStore, key_name
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.build.workers.units import Unit

REMOTE_VARIABLE = "KUBEPARCEL_CACHE_REMOTE"
_FULL = "no space left on device"


@dataclass(frozen=True)
class Outcome:
    """What became of a unit on a worker: its result or an error, or why the worker cannot run it."""

    worker: str
    address: str
    result: Any = None
    error: KubeparcelError | None = None
    unfit: str = ""
    unfit_for_all: bool = False
    """Whether it can run no other units either."""
    warnings: tuple[str, ...] = ()


@functools.cache
def identity() -> dict[str, str]:
    """Return what must be equal on all machines: the program, nfpm, and the secret that authenticates records."""
    from kubeparcel.packages import nfpm

    return {
        "kubeparcel": __version__,
        "kubeparcel's files": source_digest("**/*.py", "**/*.yaml")[:12],
        "nfpm": nfpm.version(),
        VARIABLE: key_name()[:12],
    }


def differences(own: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """Return how a worker differs from what is required, such as `nfpm 2.47.0 instead of 2.48.0`."""
    different = [name for name in expected if own.get(name) != expected[name]]
    if different and different != [VARIABLE]:  # other code is the reason for other digests of it
        different = [name for name in different if name != "kubeparcel's files"] or different
    return ", ".join(
        f"another {name}" if name == VARIABLE else f"{name} {own.get(name, 'unknown')} instead of {expected[name]}"
        for name in different
    )


def run_unit(unit: Unit, remote: str, required: Mapping[str, str]) -> Outcome:
    """Run a unit on this worker, which must have the `required` identity.

    Its files are in the remote cache when it returns; with an empty `remote`, in the store of this machine.
    """
    from distributed import get_worker

    worker, log = get_worker(), _WorkerLog()
    outcome = Outcome(str(worker.name), worker.address)
    if problem := differences(identity(), required):
        return dataclasses.replace(outcome, unfit=problem, unfit_for_all=True)
    store = _open_store(remote, log)
    result, error = None, None
    try:
        if unit.resource is Resource.GO:
            _require_go()
        with _cancelled_with_task(unit):
            result = unit.run(store, log)
        if isinstance(unit, FetchUnit):
            cache_programs(result, store)
    except KubeparcelError as raised:
        error = raised
    except Exception as raised:  # as text: Dask waits forever for an exception that cannot be pickled
        error = ExternalError(f"{unit.label} failed on worker {worker.name}: {raised!r}", traceback.format_exc(-8))
    problem, for_all = _unfitness(error, store)
    if problem:
        return dataclasses.replace(outcome, unfit=problem, unfit_for_all=for_all)
    return dataclasses.replace(outcome, result=result, error=error, warnings=tuple(log.warnings))


def _unfitness(error: KubeparcelError | None, store: Store) -> tuple[str, bool]:
    """Return why this worker cannot run a unit, empty if it can, and whether it can run no others either."""
    if isinstance(store, SharedStore) and store.remote.problem:
        return store.remote.problem, True
    if isinstance(error, EngineUnavailable):
        return error.message, False
    if isinstance(error, DiskError) or _FULL in str(error):
        return _FULL if _FULL in str(error) else str(error), True
    return (str(error), False) if isinstance(error, Unreachable | _WithoutGo) else ("", False)


@contextmanager
def _cancelled_with_task(unit: Unit) -> Iterator[None]:
    """Cancel a unit when its task is cancelled, or the worker ends."""
    from distributed import get_worker

    worker, ended = get_worker(), threading.Event()
    key = worker.get_current_task()

    def watch() -> None:
        while not ended.wait(0.5):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled" or worker.status.name in ("closing", "closed"):
                unit.cancel()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


class _WithoutGo(ToolError):
    """This worker cannot compile."""


def _require_go() -> None:
    from kubeparcel.sources.go_toolchain import find_go

    try:
        find_go()
    except ToolError as error:
        raise _WithoutGo(error.message) from None


def _open_store(remote: str, log: Log) -> Store:
    """Return the worker's store, with the remote that its environment names (another mount point), or the client's."""
    from kubeparcel.repository.storage.factory import open_remote

    location = os.environ.get(REMOTE_VARIABLE) or remote
    return SharedStore(cache_dir(), Remote(open_remote(location, Path("/")), log)) if location else Store(cache_dir())


class _WorkerLog(QuietLog):
    """Keeps warnings for the client."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)
