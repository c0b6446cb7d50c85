"""The levels of verification: run in order, cheapest first; the first failure stops the run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.paths import cache_dir
from kubeparcel.reports.results import Report
from kubeparcel.store import Store
from kubeparcel.verify.layout import level as layout

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings
    from kubeparcel.hosts.session import Session
    from kubeparcel.packages.model import PackageContents
    from kubeparcel.verify.level_runner import HostLevel, LevelRun

LEVELS = ("layout", *catalog.LEVELS)


class PreviousPackages(Protocol):
    """Builds the packages that hosts have before an upgrade; none for packages that others built."""

    def build(self, packages: Sequence[PackageContents], folder: Path) -> Sequence[Path]:
        """Build the same packages, one revision earlier, into a folder."""

    def build_other_layout(self, packages: Sequence[PackageContents], folder: Path) -> Sequence[Path]:
        """Build those that are different in the other layout into a folder."""


def _now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify, and where. Empty fields leave the choice to the program.

    `previous` are packages to upgrade from.
    """

    level: str
    paths: tuple[Path, ...]
    hosts: tuple[str, ...] = ()
    engine: str = ""
    previous: tuple[Path, ...] = ()
    keep: bool = False


@dataclass(frozen=True)
class VerifyResult:
    """The reports of all requested levels, in order, and when the first level started."""

    reports: tuple[Report, ...]
    started: datetime = field(default_factory=_now)

    @property
    def exit_code(self) -> int:
        """0 if every level passed, else 1."""
        return max(report.exit_code for report in self.reports)


def run_levels(request: VerifyRequest, settings: Settings, log: Log, previous: PreviousPackages) -> VerifyResult:
    """Run the levels up to the requested one; raises UsageError for an unknown level."""
    if request.level not in LEVELS:
        choices = f"{', '.join(LEVELS[:-1])} or {LEVELS[-1]}"
        raise UsageError(f"Unknown level '{request.level}': use {choices}.")
    started = _now()
    defaults = catalogs.load()
    # Changes to packages of the catalog are in the record of each package; others know nothing of them.
    catalog_ = defaults.model_copy(update={"packages": {**settings.packages, **defaults.packages}})
    reports = [layout.check_paths(request.paths, catalog_)]
    if request.level != "layout" and reports[-1].passed:
        reports += _run_host_levels(request, log, previous)
    return VerifyResult((*reports, *_not_run(reports, request.level)), started)


def _not_run(reports: Sequence[Report], last_level: str) -> Iterator[Report]:
    """Yield a report for each level up to the last that did not run, because one failed."""
    for name in LEVELS[len(reports) : LEVELS.index(last_level) + 1]:
        yield Report(name, not_run=f"{reports[-1].level} failed")


def _run_host_levels(request: VerifyRequest, log: Log, previous: PreviousPackages) -> Iterator[Report]:
    """Run the levels on hosts up to the requested one, or to the first that fails."""
    from kubeparcel.hosts import selection
    from kubeparcel.hosts.session import open_session
    from kubeparcel.verify.level_runner import run_level

    store = Store(cache_dir())
    with (
        open_session(store, log, engine=request.engine, keep=request.keep) as session,
        tempfile.TemporaryDirectory(dir=session.folder) as folder,
    ):
        run = _prepare(request, session, previous, Path(folder))
        environment, previous_packages = "", run.describe_previous()
        if previous_packages:
            log.info("Upgrades", f"from {run.previous_label}")
        for level in _host_levels():
            hosts = selection.select_hosts(
                request.hosts, level.name, run.packages.formats, session.engine, session.locations
            )
            description = selection.describe_hosts(hosts, session.engine)
            if description != environment:
                environment = description
                log.info("Hosts", environment)
            report = run_level(level, run, hosts)
            yield replace(report, environment=environment, previous=previous_packages)
            if level.name == request.level or not report.passed:
                return


def _host_levels() -> tuple[HostLevel[Any], ...]:
    from kubeparcel.verify.cluster import level as cluster
    from kubeparcel.verify.install import level as install
    from kubeparcel.verify.service import level as service

    return (install.LEVEL, service.LEVEL, cluster.LEVEL)


def _prepare(request: VerifyRequest, session: Session, previous: PreviousPackages, folder: Path) -> LevelRun:
    """Build the packages that hosts start with, and warn about tests that lack theirs."""
    from kubeparcel.verify.level_runner import LevelRun, PackageSets

    packages = PackageSets(request.paths, folder / "current")
    other_layout: Sequence[Path] = ()
    if LEVELS.index(request.level) >= LEVELS.index("service"):
        other_layout = previous.build_other_layout(packages.contents, folder / "other-layout")
        if not other_layout:
            session.log.warn("Changes of layout are not tested: kubeparcel did not build these packages.")
    earlier = request.previous or previous.build(packages.contents, folder / "previous")
    if not earlier:
        session.log.warn("Upgrades are not tested: no previous packages. Use --from DIR.")
    return LevelRun(
        session,
        packages,
        PackageSets(earlier, folder / "earlier"),
        PackageSets(other_layout, folder / "other"),
        "" if request.previous else "the packages under test, one revision earlier",
    )
