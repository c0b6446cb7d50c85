"""Builds one release with units that it may share with other releases: fetch, assemble and check."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubeparcel.build.assembler import BuiltPackage, discard_packages, verify_inputs
from kubeparcel.build.lock.components import locked_components, source_of, toolchain_of
from kubeparcel.build.manifests import finalize
from kubeparcel.build.planner import PackagePlan, plan_packages
from kubeparcel.build.workers.scheduler import Scheduler, run_all
from kubeparcel.build.workers.units import AssembleUnit, CheckUnit, FetchUnit, fetch_weight, inspections
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log, ProgressTask, duration
from kubeparcel.errors import DigestError, ToolError
from kubeparcel.lock_models import Artifact, Binaries, Lock
from kubeparcel.model import Arch
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
class ReleasePlan:
    """A release to build: its settings, its lock and its packages. `title` names it where there are others."""

    settings: Settings
    lock: Lock
    packages: tuple[PackagePlan, ...]
    title: str = ""


def plan_release(settings: Settings, lock: Lock, title: str = "") -> ReleasePlan:
    """Return what a release consists of; raise ConfigurationError as `plan_packages` does."""
    return ReleasePlan(settings, lock, plan_packages(settings, lock, catalogs.for_request(lock.request)), title)


def requested_artifacts(lock: Lock, settings: Settings) -> list[Artifact]:
    """Return the lock's artifacts for the settings' architectures."""
    return [artifact for artifact in lock.artifacts if artifact.arch in settings.arch]


def fetch_units(artifacts: Sequence[Artifact], lock: Lock, settings: Settings, store: Store) -> list[FetchUnit]:
    """Return the units that fetch the artifacts of a lock, one for each component and architecture."""
    groups: dict[tuple[str, Arch], list[Artifact]] = {}
    for artifact in artifacts:
        groups.setdefault((artifact.component, artifact.arch), []).append(artifact)
    components, trees = locked_components(lock), settings.tree_folders()
    return [
        FetchUnit(
            *(tuple(group), components[name], source_of(lock, name), toolchain_of(lock, name)),
            *(settings.mirror, settings.input_policy(), lock.request.variant),
            weight=fetch_weight(components[name], group, source_of(lock, name), store),
            tree=str(trees.get(name, "")),
        )
        for (name, _), group in groups.items()
    ]


async def fetch_binaries(
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


@dataclass(frozen=True)
class CheckedRelease:
    """The packages of a release in the store, and the report of their checks."""

    plan: ReleasePlan
    binaries: Binaries
    packages: tuple[BuiltPackage, ...]
    report: Report


async def build_release(release: ReleasePlan, scheduler: Scheduler, store: Store, log: Log) -> CheckedRelease:
    """Fetch, assemble and check the packages of a release; each finished one is checked while others are assembled.

    Raises DigestError if a package cannot be built, or fails a check, because a file in the store is damaged; what
    other machines provided is made here before.
    """
    try:
        return await _build_release(release, scheduler, store, log)
    except DigestError:
        if not scheduler.retry_here():
            raise
    return await _build_release(release, scheduler, store, log)


async def _build_release(release: ReleasePlan, scheduler: Scheduler, store: Store, log: Log) -> CheckedRelease:
    settings, lock = release.settings, release.lock
    artifacts = requested_artifacts(lock, settings)
    binaries = await fetch_binaries(artifacts, lock, settings, scheduler, store, log)
    manifests = [finalize(plan, lock, binaries, store) for plan in release.packages]
    packages, checks, seconds = await _assemble_and_check(manifests, release, scheduler, store, log)
    report = report_checks(packages, checks, seconds, store, log, release.title)
    inspections.cache_clear()
    return CheckedRelease(release, binaries, tuple(packages), report)


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


async def _assemble_and_check(
    manifests: Sequence[PackageManifest], release: ReleasePlan, scheduler: Scheduler, store: Store, log: Log
) -> tuple[list[BuiltPackage], list[tuple[Check, ...]], float]:
    """Return the packages, the checks of each, and the seconds from the last assembled package to the last check."""
    units = [AssembleUnit.of(manifest, store) for manifest in manifests]
    missing = sum(unit.cached(store) is None for unit in units)
    path_owners = PathOwners.of(path for manifest in manifests for path in manifest_paths(manifest))
    checks: list[asyncio.Task[tuple[Check, ...]]] = []

    async def assemble(unit: AssembleUnit, task: ProgressTask | None) -> tuple[BuiltPackage, asyncio.Task[Any]]:
        package = await scheduler.run(unit)
        if task and package.seconds:
            task.advance()
        check = asyncio.ensure_future(scheduler.run(CheckUnit(package, path_owners, release.settings.sbom)))
        checks.append(check)
        return package, check

    with ExitStack() as stack:
        stack.callback(lambda: [check.cancel() for check in checks])
        try:
            with ExitStack() as progress:
                name = f"packages of {release.title}" if release.title else "packages"
                task = progress.enter_context(log.task("Assemble", name, missing)) if missing else None
                results = await run_all([assemble(unit, task) for unit in units])
        except ToolError:
            verify_inputs(manifests, store)
            raise
        started = time.monotonic()
        found = await run_all([_result(check) for _, check in results])
    return [package for package, _ in results], found, time.monotonic() - started


async def _result(task: asyncio.Task[Any]) -> Any:
    return await task
