"""The build from end to end: resolve, fetch, assemble, check, write the output."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, overload

from kubeparcel.build.assembler import BuiltPackage, assemble
from kubeparcel.build.fleet import build_releases
from kubeparcel.build.fleet_result import FleetResult
from kubeparcel.build.lock import lockfile
from kubeparcel.build.lock.components import locked_components
from kubeparcel.build.lock.releases import lock_releases, matching_lock
from kubeparcel.build.lock.resolver import describe_lock, resolve
from kubeparcel.build.manifests import finalize
from kubeparcel.build.planner import PackagePlan
from kubeparcel.build.release_build import fetch_binaries, requested_artifacts
from kubeparcel.build.result import BuildResult, FetchResult
from kubeparcel.build.shared_cache import open_build_store
from kubeparcel.build.workers.scheduler import LocalWorkers, Scheduler
from kubeparcel.build.workers.units import Submit
from kubeparcel.config import catalog as catalogs
from kubeparcel.config.releases import Releases
from kubeparcel.console import Log
from kubeparcel.errors import KubeparcelError
from kubeparcel.lock_models import Artifact, Binaries, BuildVariant, Lock
from kubeparcel.store import Store
from kubeparcel.threads import PROCESSORS

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


@overload
def build(releases: Settings, log: Log, *, locked: bool = False, submit: Submit | None = None) -> BuildResult: ...


@overload
def build(
    releases: Releases, log: Log, *, locked: bool = False, submit: Submit | None = None
) -> BuildResult | FleetResult: ...


def build(
    releases: Settings | Releases, log: Log, *, locked: bool = False, submit: Submit | None = None
) -> BuildResult | FleetResult:
    """Build one release or several, and write the packages to the output folder, unless a check fails.

    Raises the error of a single release; those of several are in the result.
    """
    if not isinstance(releases, Releases):
        releases = Releases((releases,), (0,))
    built = build_releases(releases, log, locked=locked, submit=submit)
    return built.only if len(built.outcomes) == 1 else built


def fetch_release(settings: Settings, log: Log, *, locked: bool) -> FetchResult:
    """Resolve the settings' release, and fetch its binaries into the store."""
    (release,) = fetch_releases(Releases((settings,), (0,)), log, locked=locked)
    if isinstance(release, KubeparcelError):
        raise release
    return release


def fetch_releases(releases: Releases, log: Log, *, locked: bool) -> list[FetchResult | KubeparcelError]:
    """Resolve the releases and fetch their binaries into the store; what prevents one does not stop the others."""
    store = open_build_store(releases.settings[0], log)
    results: list[FetchResult | KubeparcelError] = []
    for release in lock_releases(releases, log, locked=locked):
        try:
            lock = release.required_lock
            results.append(FetchResult(lock, fetch(lock, release.settings, store, log), store))
        except KubeparcelError as error:
            if len(releases.numbers) > 1:
                log.warn(f"{release.title} failed: {error}")
            results.append(error)
    return results


def mirror_release(settings: Settings, folder: Path, log: Log) -> str:
    """Copy upstream's files of the settings' release to a folder; return a summary."""
    from kubeparcel.sources.mirror import fill_mirror

    request = dataclasses.replace(settings.request(), source="upstream", variant=BuildVariant())
    specs = catalogs.for_request(request).components
    compiled = [specs[name].title for name in request.versions if not specs[name].upstream]
    request = dataclasses.replace(request, versions={n: v for n, v in request.versions.items() if specs[n].upstream})
    lock = matching_lock(lockfile.read_all(settings.base / lockfile.NAME), request) or resolve(request, log)
    if compiled:
        log.info("Not copied", f"{', '.join(compiled)}: published as Go modules only")
    log.info("Release", describe_lock(lock, "to mirror"))
    return fill_mirror(folder, lock, locked_components(lock), settings.mirror, log, policy=settings.input_policy())


def fetch(lock: Lock, settings: Settings, store: Store, log: Log) -> Binaries:
    """Fetch the lock's binaries for the settings' architectures into the store."""
    return fetch_artifacts(requested_artifacts(lock, settings), lock, settings, store, log)


def fetch_artifacts(artifacts: Sequence[Artifact], lock: Lock, settings: Settings, store: Store, log: Log) -> Binaries:
    """Fetch the binaries of some artifacts of a lock into the store."""
    with LocalWorkers(store, log) as workers:
        scheduler = Scheduler(workers.submit, store)
        return asyncio.run(fetch_binaries(artifacts, lock, settings, scheduler, store, log))


def assemble_packages(
    plans: Sequence[PackagePlan],
    lock: Lock,
    binaries: Binaries,
    store: Store,
    log: Log,
    executor: Executor | None = None,
) -> tuple[BuiltPackage, ...]:
    """Build the packages that are not in the store yet, unchecked."""
    packages = [finalize(plan, lock, binaries, store) for plan in plans]
    with executor or ThreadPoolExecutor(PROCESSORS) as pool:
        return assemble(packages, store, log, pool)
