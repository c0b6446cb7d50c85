"""The build from end to end: resolve, fetch, assemble, check, write the output."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.build import lock_comparison, lockfile
from kubeparcel.build.assembler import BuiltPackage, assemble
from kubeparcel.build.locked_components import locked_components
from kubeparcel.build.manifests import finalize
from kubeparcel.build.output import lock_output_folder, read_checksums, write_output
from kubeparcel.build.planner import PackagePlan
from kubeparcel.build.release_build import (
    CheckedRelease,
    build_release,
    fetch_binaries,
    plan_release,
    requested_artifacts,
)
from kubeparcel.build.resolver import describe_lock, resolve, resolve_or_load
from kubeparcel.build.result import BuildResult, FetchResult
from kubeparcel.build.sboms import build_sboms, sbom_subjects
from kubeparcel.build.shared_cache import open_build_store
from kubeparcel.build.statements import write_statements
from kubeparcel.build.units import Submit
from kubeparcel.build.workers import LocalWorkers, Scheduler, open_workers
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.model import Artifact, Binaries, BuildVariant, Lock
from kubeparcel.store import Store
from kubeparcel.threads import PROCESSORS
from kubeparcel.trust.sbom_files import sbom_paths

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


def build(settings: Settings, log: Log, *, locked: bool = False, submit: Submit | None = None) -> BuildResult:
    """Build the packages and write them to the output folder, unless a check fails.

    Units of work go to `submit`, by default to threads of this process.
    """
    started = time.monotonic()
    store, out = open_build_store(settings, log), settings.base / settings.out
    with lock_output_folder(out), LocalWorkers(store, log) as workers:
        release = plan_release(settings, resolve_or_load(settings, log, locked=locked))
        with open_workers(settings, store, submit or workers.submit, log) as chosen:
            checked = asyncio.run(build_release(release, Scheduler(chosen, store), store, log))
        written = write_release(checked, store, out)
        others = sorted(read_checksums(out).keys() - {built.manifest.file_name for built in checked.packages})
    return BuildResult(
        *(display_output(settings), release.lock, checked.packages, written.changed, tuple(others), checked.report),
        *(time.monotonic() - started, written.sboms),
    )


@dataclass(frozen=True)
class WrittenRelease:
    """The files that changed in the output folder, and the paths of all SBOMs of the release there."""

    changed: tuple[Path, ...] = ()
    sboms: tuple[str, ...] = ()


def write_release(checked: CheckedRelease, store: Store, out: Path) -> WrittenRelease:
    """Write the packages of a release, their SBOMs and statements to the output folder, if all checks passed."""
    from kubeparcel.build.cache import record_build

    settings, lock, packages = checked.plan.settings, checked.plan.lock, checked.packages
    if not checked.report.passed:
        return WrittenRelease()
    sboms = build_sboms(lock, packages, store) if settings.sbom else {}
    without = dict.fromkeys(sbom_paths(sbom_subjects(lock, packages)))
    changed = write_output(packages, store, out, {**without, **sboms})
    write_statements(packages, settings, lock, checked.binaries, out)
    record_build(lock, packages, store, sboms.values())
    return WrittenRelease(changed, tuple(sboms))


def display_output(settings: Settings) -> Path:
    """Return the output folder as results show it: relative to the settings' folder if it is below."""
    out = settings.base / settings.out
    return out.relative_to(settings.base) if out.is_relative_to(settings.base) else out


def fetch_release(settings: Settings, log: Log, *, locked: bool) -> FetchResult:
    """Resolve the settings' release, and fetch its binaries into the store."""
    lock, store = resolve_or_load(settings, log, locked=locked), open_build_store(settings, log)
    return FetchResult(lock, fetch(lock, settings, store, log), store)


def mirror_release(settings: Settings, folder: Path, log: Log) -> str:
    """Copy upstream's files of the settings' release to a folder; return a summary."""
    from kubeparcel.sources.mirror import fill_mirror

    request = dataclasses.replace(settings.request(), source="upstream", variant=BuildVariant())
    specs = catalogs.for_request(request).components
    compiled = [specs[name].title for name in request.versions if not specs[name].upstream]
    request = dataclasses.replace(request, versions={n: v for n, v in request.versions.items() if specs[n].upstream})
    current = lockfile.read(settings.base / lockfile.NAME)
    lock = lock_comparison.restrict(current, request) if current else None
    if lock is None or not lock_comparison.satisfies(lock, request):
        lock = resolve(request, log)
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
