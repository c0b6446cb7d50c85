"""The work of several releases as jobs of a CI system: one for each release and architecture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from kubeparcel.build.lock.releases import lock_releases
from kubeparcel.build.release_plan import ReleasePlan, fetch_units, plan_releases, require_distinct
from kubeparcel.config.releases import Releases
from kubeparcel.config.setting_layers import ENV_PREFIX
from kubeparcel.console import Log, duration, quantity
from kubeparcel.errors import KubeparcelError
from kubeparcel.store import Store
from kubeparcel.tables import format_table
from kubeparcel.user_cache import open_store

MATRICES = ("github", "gitlab", "json")
LIMITS = {"github": 256, "gitlab": 200}
"""Jobs of a matrix: docs.github.com (usage limits of workflows), docs.gitlab.com (`parallel:matrix`)."""


@dataclass(frozen=True)
class Job:
    """A release and an architecture, the number of its packages, and the estimated seconds for its binaries."""

    kubernetes: str
    arch: str
    packages: int
    seconds: float


@dataclass(frozen=True)
class BuildMatrix:
    """The jobs, the longest first, and the errors of releases that have none."""

    jobs: tuple[Job, ...]
    errors: tuple[KubeparcelError, ...] = ()

    @property
    def exit_code(self) -> int:
        """The highest exit code of the errors, or 0."""
        return max((error.exit_code for error in self.errors), default=0)

    def render(self, matrix: str) -> str:
        """Return a table, or the jobs as one of `MATRICES`."""
        return {"": self._as_table, "github": self._as_github, "gitlab": self._as_gitlab, "json": self._as_json}[
            matrix
        ]()

    def _as_table(self) -> str:
        rows = [[job.kubernetes, job.arch, str(job.packages), duration(job.seconds)] for job in self.jobs]
        table = format_table(["Release", "Architecture", "Packages", "Estimate"], rows, right=(2, 3))
        return f"{table}\n{quantity(len(self.jobs), 'jobs')}, the longest first. For CI: --matrix {' or '.join(LIMITS)}"

    def _as_github(self) -> str:
        return json.dumps({"include": [{"kubernetes": job.kubernetes, "arch": job.arch} for job in self.jobs]})

    def _as_gitlab(self) -> str:
        rows: list[dict[str, Any]] = [
            {f"{ENV_PREFIX}KUBERNETES": job.kubernetes, f"{ENV_PREFIX}ARCH": job.arch} for job in self.jobs
        ]
        return yaml.safe_dump({".kubeparcel-jobs": {"parallel": {"matrix": rows}}}, sort_keys=False).rstrip()

    def _as_json(self) -> str:
        return json.dumps({"jobs": [asdict(job) for job in self.jobs]}, indent=2)


def plan_matrix(releases: Releases, log: Log, *, locked: bool = False, matrix: str = "") -> BuildMatrix:
    """Return the jobs of the selected releases, without writing anything, not even the lock.

    Raises ConfigurationError if two releases would give different packages of one name and version.
    """
    errors: list[KubeparcelError] = []
    locked_releases = lock_releases(releases, log, locked=locked, dry_run=True)

    def fail(number: int, error: KubeparcelError) -> None:
        if len(locked_releases) == 1:
            raise error
        errors.append(error)
        log.warn(f"{locked_releases[number].title} failed: {error}")

    plans, store = plan_releases(locked_releases, fail), open_store(log)
    require_distinct(plans.values(), store)
    jobs = [job for plan in plans.values() for job in release_jobs(plan, store)]
    limit = LIMITS.get(matrix, len(jobs))
    if len(jobs) > limit:
        log.warn(
            f"{matrix} permits {limit} jobs in a matrix, and these are {len(jobs)}: select some with --kubernetes."
        )
    return BuildMatrix(tuple(sorted(jobs, key=lambda job: -job.seconds)), tuple(errors))


def release_jobs(plan: ReleasePlan, store: Store) -> Sequence[Job]:
    """Return the jobs of a release, one for each architecture."""
    seconds: dict[str, float] = dict.fromkeys(plan.settings.arch, 0.0)
    for unit in fetch_units(plan.lock.artifacts, plan.lock, plan.settings, store):
        if (arch := unit.artifacts[0].arch) in seconds and unit.cached(store) is None:
            seconds[arch] += unit.weight
    version = str(plan.lock.component("kubernetes").version)
    return [
        Job(version, str(arch), sum(package.arch in (arch, None) for package in plan.packages), round(total, 1))
        for arch, total in seconds.items()
    ]
