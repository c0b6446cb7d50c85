"""Builds, fetches and mirrors releases from end to end. Several are built at once: shared work is done once."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.build.lock import document as lock_document
from kubeparcel.build.lock import lockfile
from kubeparcel.build.lock.components import describe_lock, locked_components
from kubeparcel.build.lock.releases import LockedRelease, lock_releases, matching_lock
from kubeparcel.build.lock.resolver import resolve
from kubeparcel.build.output import display_output, lock_output_folder, read_checksums, write_release
from kubeparcel.build.release_build import build_release, fetch
from kubeparcel.build.release_plan import ReleasePlan, plan_releases, require_distinct
from kubeparcel.build.results import BuildResult, FleetResult, ReleaseOutcome
from kubeparcel.build.shared_cache import open_build_store
from kubeparcel.build.workers.scheduler import LocalWorkers, Scheduler, open_workers
from kubeparcel.config import catalog as catalogs
from kubeparcel.config.releases import Releases
from kubeparcel.console import Log
from kubeparcel.errors import KubeparcelError
from kubeparcel.lock_models import Binaries, BuildVariant, Lock
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


def build(releases: Releases, log: Log, *, locked: bool = False) -> BuildResult | FleetResult:
    """Build releases as `build_releases` does; return the result of a single one, or raise its error."""
    built = build_releases(releases, log, locked=locked)
    return built.only if len(built.outcomes) == 1 else built


def build_releases(releases: Releases, log: Log, *, locked: bool = False) -> FleetResult:
    """Build the selected releases into one output folder, each as soon as all of its checks have passed.

    One that fails does not stop the others. Raises ConfigurationError before anything is built if two releases would
    give different packages of one name, version and architecture.
    """
    started = time.monotonic()
    settings = releases.settings[0]
    store, out = open_build_store(settings, log), settings.base / settings.out
    with lock_output_folder(out), LocalWorkers(store, log) as local:
        locked_releases = lock_releases(releases, log, locked=locked)
        with open_workers(settings, store, local.submit, log) as submit:
            scheduler = Scheduler(submit, store, local.submit if settings.workers else None)
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
        try:
            checked = await build_release(plan, self._scheduler, self._store, self._log)
            # Packages that releases of this run have written keep their statements.
            written = frozenset(name for outcome in self._outcomes.values() for name in outcome.file_names)
            result = write_release(checked, self._store, written, self._run, self._started)
        except KubeparcelError as error:
            self._fail(number, error)
            return
        self._outcomes[number] = ReleaseOutcome(self._releases[number], result.seconds, result)
        if checked.report.passed and plan.title:
            self._log.info("Finished", f"{plan.title}: {len(checked.packages)} packages")

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


@dataclass(frozen=True)
class FetchResult:
    """The binaries of a lock, with their paths in the store."""

    lock: Lock
    binaries: Binaries
    store: Store

    def document(self) -> dict[str, Any]:
        """Return the JSON document of `--json`."""
        inputs = lock_document.artifact_documents(self.lock)
        return {"source": self.lock.source, "inputs": inputs, "binaries": self._entries()}

    def as_text(self) -> str:
        """Return one line for each binary."""
        return "\n".join(f"{entry['name']:<14} {entry['arch']:<8} {entry['path']}" for entry in self._entries())

    def _entries(self) -> list[dict[str, str]]:
        return [
            {"name": name, "arch": str(arch), "sha256": sha256, "path": str(self.store.path(sha256))}
            for (_, arch), digests in self.binaries.items()
            for name, sha256 in sorted(digests.items())
        ]


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
