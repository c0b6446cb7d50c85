"""The levels of verification: run in order, cheapest first; the first failure stops the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.packages.find import find_package_files
from kubeparcel.reports.results import Report
from kubeparcel.verify.layout import LEVEL
from kubeparcel.verify.layout import level as layout
from kubeparcel.verify.releases import files_for_hosts, find_releases, merge_reports, select_release
from kubeparcel.verify.request import PreviousPackages, VerifyRequest
from kubeparcel.verify.selection import NOT_SELECTED, Entries, Selection, list_as_json, list_as_text

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings
    from kubeparcel.verify.host_levels import Hosts

LEVELS = (LEVEL, *catalog.LEVELS)


def _now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True)
class VerifyResult:
    """The reports of all requested levels, in order, and when the first level started."""

    reports: tuple[Report, ...]
    started: datetime = field(default_factory=_now)

    @property
    def on_hosts(self) -> bool:
        """Whether a level on hosts was requested."""
        return self.reports[-1].level != LEVEL


def run_levels(
    request: VerifyRequest,
    settings: Settings,
    log: Log,
    previous: PreviousPackages,
    remote_hosts: AbstractContextManager[Hosts] | None = None,
) -> VerifyResult:
    """Run the selected levels up to the requested one, or to the first that fails.

    Hosts are containers of this machine, unless there are `remote_hosts`. Raises UsageError for an unknown level, for
    `only` with an unknown name, and if nothing that it selects applies to these packages and hosts.
    """
    _require_level(request.level)
    started = _now()
    levels = _select_levels(request, settings)
    defaults = catalogs.load()
    # Changes to packages of the catalog are in the record of each package; packages of others have none.
    catalog_ = defaults.model_copy(update={"packages": {**settings.packages, **defaults.packages}})
    reports: list[Report] = []
    releases = find_releases(find_package_files(request.paths), catalog_)
    if request.kubernetes:
        releases = (select_release(releases, request.kubernetes),)
    request = replace(request, paths=files_for_hosts(releases, request.paths, log))
    if LEVEL in levels:
        selection = Selection(request.only)
        reports.append(merge_reports([layout.check_paths(release.files, catalog_, selection) for release in releases]))
    if levels[-1] != LEVEL and not any(report.failed for report in reports):
        from kubeparcel.verify.host_levels import run_host_levels

        reports += run_host_levels(request, levels, log, previous, remote_hosts)
    if request.only and not any(_runs_selected(report, request.only) for report in reports):
        raise UsageError(
            f"--only {','.join(request.only)}: no such check or scenario applies to these packages and hosts.",
            "What each check and scenario needs: inv verify --list",
        )
    return VerifyResult(tuple(_complete(reports, levels)), started)


def _runs_selected(report: Report, only: tuple[str, ...]) -> bool:
    selection = Selection(only)
    return bool(report.failed) or any(
        check.passed and (check.host or selection.includes(report.level, check.name)) for check in report.checks
    )


def _require_level(level: str) -> None:
    if level and level not in LEVELS:
        raise UsageError(f"Unknown level '{level}': use {', '.join(LEVELS[:-1])} or {LEVELS[-1]}.")


def _select_levels(request: VerifyRequest, settings: Settings) -> tuple[str, ...]:
    """Return the levels that run, in order; raises UsageError for unknown names in `only`."""
    last = request.level or (LEVELS[-1] if request.only else LEVELS[0])
    levels = LEVELS[: LEVELS.index(last) + 1]
    if not request.only:
        return levels
    entries = _entries(_package_names(settings))
    selection = Selection(request.only)
    selection.require_known(entries, levels)
    return tuple(level for level in selection.filter(entries) if level in levels)


def _complete(reports: Sequence[Report], levels: Sequence[str]) -> Iterator[Report]:
    """Yield a report for each level up to the last that runs; for others, why they did not."""
    by_level = {report.level: report for report in reports}
    failed = next((report.level for report in reports if not report.passed), "")
    for name in LEVELS[: LEVELS.index(levels[-1]) + 1]:
        yield by_level.get(name) or Report(name, not_run=f"{failed} failed" if name in levels else NOT_SELECTED)


def list_checks(request: VerifyRequest, settings: Settings, *, as_json: bool) -> str:
    """Return all checks and scenarios up to the requested level, or `only` some, with what they assert."""
    _require_level(request.level)
    levels = LEVELS[: LEVELS.index(request.level or LEVELS[-1]) + 1]
    selection, entries = Selection(request.only), _entries(_package_names(settings) if request.only else ["NAME"])
    selection.require_known(entries, levels)
    selected = {name: of_level for name, of_level in selection.filter(entries).items() if name in levels}
    from kubeparcel.verify.host_levels import HOST_LEVELS

    summaries = {LEVEL: layout.SUMMARY, **{host_level.name: host_level.summary for host_level in HOST_LEVELS}}
    return list_as_json(selected, summaries) if as_json else list_as_text(selected, summaries)


def _package_names(settings: Settings) -> list[str]:
    return list({**catalogs.load().packages, **settings.packages})


def check_names() -> list[str]:
    """Return the names of all checks and scenarios of the catalog's packages, for completion."""
    entries = _entries(list(catalogs.load().packages))
    return list(dict.fromkeys(entry.name for of_level in entries.values() for entry in of_level))


def _entries(package_names: Sequence[str]) -> Entries:
    """Return all checks and scenarios by level, for packages with these names."""
    from kubeparcel.verify.host_levels import HOST_LEVELS

    host_levels = {
        level.name: [scenario.entry for scenario in level.all_scenarios(package_names)] for level in HOST_LEVELS
    }
    return {LEVEL: layout.entries(), **host_levels}
