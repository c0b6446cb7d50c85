"""Builds one release with units that it may share with other releases: fetch, assemble and check."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubeparcel.build.assembler import BuiltPackage, discard_packages, verify_inputs
from kubeparcel.build.manifests import finalize
from kubeparcel.build.release_plan import ReleasePlan, fetch_units, requested_artifacts
from kubeparcel.build.workers.check_unit import CheckUnit, inspections
from kubeparcel.build.workers.scheduler import LocalWorkers, Scheduler, run_all
from kubeparcel.build.workers.units import AssembleUnit
from kubeparcel.console import Log, duration
from kubeparcel.errors import DigestError, ToolError
from kubeparcel.lock_models import Artifact, Binaries, Lock
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.sources.patch_files import store_patches
from kubeparcel.store import Store
from kubeparcel.verify.layout import LEVEL
from kubeparcel.verify.layout.path_owners import PathOwners, manifest_paths

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


@dataclass(frozen=True)
class CheckedRelease:
    """The packages of a release in the store, and the report of their checks."""

    plan: ReleasePlan
    binaries: Binaries
    packages: tuple[BuiltPackage, ...]
    report: Report


async def build_release(release: ReleasePlan, scheduler: Scheduler, store: Store, log: Log) -> CheckedRelease:
    """Fetch, assemble and check the packages of a release; each finished one is checked while others are assembled.

    Raises DigestError if a package cannot be built, or fails a check, because a file in the store is damaged. What
    other machines provided is first made on this machine.
    """
    try:
        return await _build_release(release, scheduler, store, log)
    except DigestError:
        if not scheduler.retry_here():
            raise
    return await _build_release(release, scheduler, store, log)


async def _build_release(release: ReleasePlan, scheduler: Scheduler, store: Store, log: Log) -> CheckedRelease:
    settings, lock = release.settings, release.lock
    binaries = await _fetch(requested_artifacts(lock, settings), lock, settings, scheduler, store, log)
    manifests = [finalize(plan, lock, binaries, store) for plan in release.packages]
    packages, checks, seconds = await _assemble_and_check(manifests, release, scheduler, store, log)
    report = report_checks(packages, checks, seconds, store, log, release.title)
    inspections.cache_clear()
    return CheckedRelease(release, binaries, tuple(packages), report)


def fetch(
    lock: Lock, settings: Settings, store: Store, log: Log, artifacts: Sequence[Artifact] | None = None
) -> Binaries:
    """Fetch the binaries of some artifacts of a lock, by default those for the settings' architectures."""
    if artifacts is None:
        artifacts = requested_artifacts(lock, settings)
    with LocalWorkers(store, log) as workers:
        return asyncio.run(_fetch(artifacts, lock, settings, Scheduler(workers.submit, store), store, log))


async def _fetch(
    artifacts: Sequence[Artifact], lock: Lock, settings: Settings, scheduler: Scheduler, store: Store, log: Log
) -> Binaries:
    """Fetch the binaries of some artifacts of a lock into the store.

    Raises PatchError before anything is compiled if a patch does not apply.
    """
    components = {artifact.component for artifact in artifacts}
    patches = [patch for patch in lock.request.variant.patches if patch.component in components]
    store_patches(patches, settings.base, store, log)
    units = fetch_units(artifacts, lock, settings, store)
    for unit in units if patches else ():
        unit.prepare(store)
    digests = await run_all([scheduler.run(unit) for unit in units])
    return {
        (unit.artifacts[0].component, unit.artifacts[0].arch): names for unit, names in zip(units, digests, strict=True)
    }


def assemble_packages(manifests: Sequence[PackageManifest], store: Store, log: Log) -> list[BuiltPackage]:
    """Return packages, unchecked; those that the store does not have are assembled.

    Raises DigestError before anything is assembled if a file of one is damaged.
    """
    units = [AssembleUnit.of(manifest, store) for manifest in manifests]
    verify_inputs([unit.manifest for unit in units if unit.cached(store) is None], store)
    with LocalWorkers(store, log) as workers:
        return asyncio.run(_assemble(units, Scheduler(workers.submit, store), store, log))


async def _assemble(
    units: Sequence[AssembleUnit],
    scheduler: Scheduler,
    store: Store,
    log: Log,
    name: str = "packages",
    on_assembled: Callable[[BuiltPackage], object] = lambda _: None,
) -> list[BuiltPackage]:
    """Return the packages of units, in order; `on_assembled` gets each as soon as it is finished."""
    missing = sum(unit.cached(store) is None for unit in units)
    with log.task("Assemble", name, missing) if missing else nullcontext() as task:

        async def assemble(unit: AssembleUnit) -> BuiltPackage:
            package: BuiltPackage = await scheduler.run(unit)
            if task and package.seconds:
                task.advance()
            on_assembled(package)
            return package

        return await run_all(map(assemble, units))


async def _assemble_and_check(
    manifests: Sequence[PackageManifest], release: ReleasePlan, scheduler: Scheduler, store: Store, log: Log
) -> tuple[list[BuiltPackage], list[tuple[Check, ...]], float]:
    """Return the packages, the checks of each, and the seconds from the last assembled package to the last check."""
    units = [AssembleUnit.of(manifest, store) for manifest in manifests]
    path_owners = PathOwners.of(path for manifest in manifests for path in manifest_paths(manifest))
    checks: dict[str, asyncio.Task[tuple[Check, ...]]] = {}

    def check(package: BuiltPackage) -> None:
        unit = CheckUnit(package, path_owners, release.settings.sbom)
        checks[package.manifest.file_name] = asyncio.ensure_future(scheduler.run(unit))

    name = f"packages of {release.title}" if release.title else "packages"
    try:
        packages = await _assemble(units, scheduler, store, log, name, check)
        started = time.monotonic()
        results = await run_all([checks[package.manifest.file_name] for package in packages])
        return packages, results, time.monotonic() - started
    except ToolError:
        verify_inputs(manifests, store)
        raise
    finally:
        for task in checks.values():
            task.cancel()


def report_checks(
    packages: Sequence[BuiltPackage],
    checks: Sequence[Sequence[Check]],
    seconds: float,
    store: Store,
    log: Log,
    release: str = "",
) -> Report:
    """Return and log the report of the checks of packages, and forget packages that failed.

    Raises DigestError if a package fails because a file in the store is damaged.
    """
    failed = [package for package, results in zip(packages, checks, strict=True) if not all(c.passed for c in results)]
    if failed:
        discard_packages(failed, packages, store)
    report = Report(LEVEL, tuple(itertools.chain.from_iterable(checks)), seconds)
    title = f"{release}: " if release else ""
    if report.passed:
        log.info("Check", f"{title}{report.summary} · {duration(seconds)}")
    else:
        log.warn(f"{title}Checks of the packages failed: {report.summary}\n{as_text([report])}")
    return report
