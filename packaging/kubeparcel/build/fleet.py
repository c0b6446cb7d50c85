"""Builds several releases at once: work that they share is done once, and one that fails does not stop the others."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from kubeparcel.build.fleet_result import FleetResult, ReleaseOutcome
from kubeparcel.build.lock.releases import LockedRelease, lock_releases
from kubeparcel.build.output import lock_output_folder, read_checksums
from kubeparcel.build.planner import PackagePlan
from kubeparcel.build.release_build import ReleasePlan, build_release, fetch_units, plan_release
from kubeparcel.build.release_output import display_output, write_release
from kubeparcel.build.result import BuildResult
from kubeparcel.build.shared_cache import open_build_store
from kubeparcel.build.workers.scheduler import LocalWorkers, Scheduler, open_workers
from kubeparcel.config.releases import Releases
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError, KubeparcelError
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.build.workers.units import Submit


def build_releases(releases: Releases, log: Log, *, locked: bool = False, submit: Submit | None = None) -> FleetResult:
    """Build the selected releases into one output folder, each as soon as all of its checks have passed.

    Units of work go to `submit`, by default to threads of this process. Raises ConfigurationError before anything is
    built if two releases would give different packages of one name, version and architecture.
    """
    started = time.monotonic()
    settings = releases.settings[0]
    store, out = open_build_store(settings, log), settings.base / settings.out
    with lock_output_folder(out), LocalWorkers(store, log) as workers:
        locked_releases = lock_releases(releases, log, locked=locked)
        with open_workers(settings, store, submit or workers.submit, log) as chosen:
            scheduler = Scheduler(chosen, store, workers.submit if settings.workers else None)
            outcomes = _Fleet(locked_releases, scheduler, store, log).build()
        written = {entry for outcome in outcomes for entry in outcome.file_names}
        others = sorted(read_checksums(out).keys() - written)
    return FleetResult(display_output(settings), tuple(outcomes), tuple(others), time.monotonic() - started)


class _Fleet:
    """The build of several releases, and what has become of each so far."""

    def __init__(self, releases: Sequence[LockedRelease], scheduler: Scheduler, store: Store, log: Log) -> None:
        self._releases, self._scheduler, self._store, self._log = releases, scheduler, store, log
        self._outcomes: dict[int, ReleaseOutcome] = {}
        self._started = time.monotonic()
        self._run = secrets.token_hex(8)

    def build(self) -> list[ReleaseOutcome]:
        """Return the outcome of each release, in order; what has finished is logged if the user interrupts."""
        plans = plan_releases(self._releases, self._fail)
        require_distinct(plans.values(), self._store)
        try:
            asyncio.run(self._build_all(plans))
        except KeyboardInterrupt:
            if len(self._releases) > 1:
                self._log.warn(self._describe_progress())
            raise
        return [self._outcomes[number] for number in range(len(self._releases))]

    async def _build_all(self, plans: dict[int, ReleasePlan]) -> None:
        await asyncio.gather(*(self._build(number, plan) for number, plan in plans.items()))

    async def _build(self, number: int, plan: ReleasePlan) -> None:
        settings = plan.settings
        try:
            checked = await build_release(plan, self._scheduler, self._store, self._log)
            written = write_release(
                checked, self._store, settings.base / settings.out, self._written_packages(), self._run
            )
        except KubeparcelError as error:
            self._fail(number, error)
            return
        seconds = time.monotonic() - self._started
        result = BuildResult(
            *(display_output(settings), plan.lock, checked.packages, written.changed, (), checked.report),
            *(seconds, written.sboms),
        )
        self._outcomes[number] = ReleaseOutcome(self._releases[number], seconds, result)
        if checked.report.passed and plan.title:
            self._log.info("Finished", f"{plan.title}: {len(checked.packages)} packages")

    def _written_packages(self) -> frozenset[str]:
        """Return the paths of the packages that releases of this run have written, with their statements."""
        return frozenset(name for outcome in self._outcomes.values() for name in outcome.file_names)

    def _fail(self, number: int, error: KubeparcelError) -> None:
        release = self._releases[number]
        self._outcomes[number] = ReleaseOutcome(release, time.monotonic() - self._started, error=error)
        if len(self._releases) > 1:
            self._log.warn(f"{release.title} failed: {error.message}")

    def _describe_progress(self) -> str:
        # One that failed a moment ago may have failed because of the interruption.
        done = {number for number, outcome in self._outcomes.items() if outcome.exit_code == 0}
        finished = [self._releases[number].title for number in sorted(done)]
        rest = [release.title for number, release in enumerate(self._releases) if number not in done]
        return f"Finished: {', '.join(finished) or 'no release'}. Not finished: {', '.join(rest) or 'none'}."


def plan_releases(
    releases: Sequence[LockedRelease], fail: Callable[[int, KubeparcelError], None]
) -> dict[int, ReleasePlan]:
    """Return the plan of each release by its number; `fail` gets the error of one that has none."""
    plans: dict[int, ReleasePlan] = {}
    for number, release in enumerate(releases):
        try:
            title = release.title if len(releases) > 1 else ""
            plans[number] = plan_release(release.settings, release.required_lock, title)
        except KubeparcelError as error:
            fail(number, error)
    return plans


def require_distinct(plans: Iterable[ReleasePlan], store: Store) -> None:
    """Raise ConfigurationError if two releases give different packages of one name, or all the same ones."""
    owners: dict[str, tuple[ReleasePlan, PackagePlan, object]] = {}
    for release in plans:
        new = 0
        for package, inputs in _with_inputs(release, store):
            owner, other, other_inputs = owners.setdefault(package.file_name, (release, package, inputs))
            new += owner is release
            if (other, other_inputs) != (package, inputs):
                raise _conflict(owner, release, package)
        if not new:
            version = release.lock.component("kubernetes").version
            raise ConfigurationError(
                f"Kubernetes {version} is requested twice, with the same packages.",
                "Remove one of the releases, or give it other architectures.",
            )


def _with_inputs(release: ReleasePlan, store: Store) -> Iterator[tuple[PackagePlan, object]]:
    """Yield the packages of a release, each with what decides its binaries."""
    units = fetch_units(release.lock.artifacts, release.lock, release.settings, store)
    keys = {(unit.artifacts[0].component, unit.artifacts[0].arch): unit.key for unit in units}
    for package in release.packages:
        yield package, keys.get((package.component, package.arch)) if package.arch else None


def _conflict(first: ReleasePlan, second: ReleasePlan, package: PackagePlan) -> ConfigurationError:
    settings = (first.settings.as_document(), second.settings.as_document())
    differences = [name for name in settings[0] if settings[0][name] != settings[1][name]]
    return ConfigurationError(
        f"Two releases give different packages {package.file_name}: Kubernetes {first.title} and {second.title} "
        f"({', '.join(differences) or 'their locks'} differ).",
        "Packages of one name and version must have one content: give one of the releases a version-suffix (with "
        "patches) or a revision of its own.",
    )
