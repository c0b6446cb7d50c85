"""The build from end to end: resolve, fetch, assemble, check, write the output."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.build import lock_comparison, lockfile
from kubeparcel.build.assembler import BuiltPackage, assemble
from kubeparcel.build.manifests import finalize
from kubeparcel.build.output import lock_output_folder, read_checksums, write_output
from kubeparcel.build.planner import PackagePlan, plan_packages
from kubeparcel.build.resolver import describe_lock, locked_components, resolve, resolve_or_load
from kubeparcel.build.result import BuildResult, FetchResult
from kubeparcel.build.sboms import add_sboms, build_sboms, sbom_subjects
from kubeparcel.build.shared_cache import open_build_store
from kubeparcel.build.statements import write_statements
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.model import Artifact, Binaries, BuildVariant, Lock
from kubeparcel.sources.patch_files import store_patches
from kubeparcel.sources.selection import create_source
from kubeparcel.store import Store
from kubeparcel.threads import PROCESSORS
from kubeparcel.trust.sbom_files import sbom_paths

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings
    from kubeparcel.reports.results import Report


def build(settings: Settings, log: Log, *, locked: bool = False) -> BuildResult:
    """Build the packages and write them to the output folder, unless a check fails."""
    from kubeparcel.build.cache import record_build

    started = time.monotonic()
    store, out = open_build_store(settings, log), settings.base / settings.out
    with lock_output_folder(out):
        lock = resolve_or_load(settings, log, locked=locked)
        plans = plan_packages(settings, lock, catalogs.load())
        binaries = fetch(lock, settings, store, log)
        packages, report = assemble_and_check(plans, lock, binaries, store, log, sbom=settings.sbom)
        sboms = build_sboms(lock, packages, store) if settings.sbom and report.passed else {}
        if report.passed:
            without = dict.fromkeys(sbom_paths(sbom_subjects(lock, packages)))
            changed = write_output(packages, store, out, {**without, **sboms})
            write_statements(packages, settings, lock, binaries, out)
            record_build(lock, packages, store, sboms.values())
        else:
            changed = ()
        others = sorted(read_checksums(out).keys() - {built.manifest.file_name for built in packages})
    seconds = time.monotonic() - started
    return BuildResult(
        display_output(settings), lock, packages, changed, tuple(others), report, seconds, sboms=tuple(sboms)
    )


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
    lock, catalog = lockfile.read(settings.base / lockfile.NAME), catalogs.load()
    if lock is None or not lock_comparison.satisfies(lock, request):
        lock = resolve(request, catalog, log)
    log.info("Release", describe_lock(lock, "to mirror"))
    return fill_mirror(folder, lock, locked_components(lock), settings.mirror, log, policy=settings.input_policy())


def fetch(lock: Lock, settings: Settings, store: Store, log: Log) -> Binaries:
    """Fetch the lock's binaries for the settings' architectures into the store."""
    return fetch_artifacts(requested_artifacts(lock, settings), lock, settings, store, log)


def fetch_artifacts(artifacts: Sequence[Artifact], lock: Lock, settings: Settings, store: Store, log: Log) -> Binaries:
    """Fetch the binaries of some artifacts of a lock into the store."""
    source = create_source(
        *(lock.source, locked_components(lock), settings.mirror, lock.toolchain, settings.input_policy(), log),
        lock.request.variant,
    )
    components = {artifact.component for artifact in artifacts}
    patches = [patch for patch in lock.request.variant.patches if patch.component in components]
    store_patches(patches, settings.base, store, log)
    return source.fetch(artifacts, store, log)


def requested_artifacts(lock: Lock, settings: Settings) -> list[Artifact]:
    """Return the lock's artifacts for the settings' architectures."""
    return [artifact for artifact in lock.artifacts if artifact.arch in settings.arch]


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


def assemble_and_check(
    plans: Sequence[PackagePlan], lock: Lock, binaries: Binaries, store: Store, log: Log, *, sbom: bool = False
) -> tuple[tuple[BuiltPackage, ...], Report]:
    """Build packages, and check each finished one while the next is built; with `sbom`, also write its SBOMs.

    A package that passed before is not read again.
    """
    from kubeparcel.build.build_check import ConcurrentChecker

    packages = [finalize(plan, lock, binaries, store) for plan in plans]
    with ConcurrentChecker(packages, store, add_sboms if sbom else None) as checker:
        with ThreadPoolExecutor(PROCESSORS) as pool:
            built = assemble(packages, store, log, pool, checker.submit)
        return built, checker.report(built, log)
