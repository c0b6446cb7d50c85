"""The levels of proof, from the cheapest up; a level that fails ends the climb."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.model import Format
from kubeparcel.packages.find import find_package_files
from kubeparcel.paths import cache_dir
from kubeparcel.reports.results import Report, as_text, write_html, write_junit
from kubeparcel.store import Store
from kubeparcel.verify.layout import level as layout

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings
    from kubeparcel.hosts.catalog import Host
    from kubeparcel.hosts.session import Session

LEVELS = ("layout", *catalog.LEVELS)


def now() -> datetime:
    """The time, with the machine's own time zone."""
    return datetime.now().astimezone()


@dataclass(frozen=True)
class VerifyRequest:
    """What to prove, and where. Empty fields leave the choice to the machine."""

    level: str
    paths: tuple[Path, ...]
    hosts: tuple[str, ...] = ()
    engine: str = ""
    previous: tuple[Path, ...] = ()
    keep: bool = False


@dataclass(frozen=True)
class VerifyResult:
    """The reports of all levels that were wanted, in their order, and when the first began."""

    reports: tuple[Report, ...]
    started: datetime = field(default_factory=now)

    @property
    def exit_code(self) -> int:
        """0 when every level passed, else 1."""
        return max(report.exit_code for report in self.reports)

    def as_text(self) -> str:
        """For people."""
        return as_text(self.reports)

    def as_json(self) -> str:
        """One document: a single level's own, or all of them under `levels`."""
        if len(self.reports) == 1:
            return self.reports[0].as_json()
        levels = [report.as_dict() for report in self.reports]
        return json.dumps({"passed": not self.exit_code, "levels": levels}, indent=2)

    def write_junit(self, path: Path) -> None:
        """One JUnit XML file for all levels."""
        write_junit(self.reports, path)

    def write_html(self, path: Path) -> None:
        """One page with everything, for people; it needs nothing beside it."""
        write_html(self.reports, self.started, path)


class PreviousPackages(Protocol):
    """Builds the packages that hosts have before an upgrade."""

    def build(self, folder: Path) -> Sequence[Path]:
        """Build the same packages, one revision earlier, into a folder."""

    def build_other_layout(self, folder: Path) -> Sequence[Path]:
        """Build those that are different in the other layout into a folder."""


def run_levels(
    request: VerifyRequest, settings: Settings, log: Log, previous: PreviousPackages
) -> VerifyResult:
    """Climb to the level that is wanted; raises UsageError for one that there is not."""
    if request.level not in LEVELS:
        raise UsageError(f"--level {request.level}: there is {', '.join(LEVELS)}.")
    known = catalogs.load()
    rows = known.model_copy(update={"packages": settings.catalog_packages(known.packages)})
    started = now()
    ran = [layout.check_paths(request.paths, rows)]
    if request.level != "layout" and ran[-1].passed:
        ran += _on_hosts(request, log, previous)
    return VerifyResult(_with_the_rest(ran, request.level), started)


def _with_the_rest(ran: Sequence[Report], level: str) -> tuple[Report, ...]:
    """What ran, and the levels up to the one wanted that did not, because one failed."""
    rest = LEVELS[len(ran) : LEVELS.index(level) + 1]
    return (*ran, *(Report(name, not_run=f"{ran[-1].level} failed") for name in rest))


def _on_hosts(wanted: VerifyRequest, log: Log, previous: PreviousPackages) -> Iterator[Report]:
    """The levels above the layout up to the wanted one, or to the first that fails."""
    from kubeparcel.hosts import selection, session

    files = find_package_files(wanted.paths)
    formats = {Format(file.suffix.lstrip(".")) for file in files}
    with (
        session.open_session(
            Store(cache_dir()), log, engine=wanted.engine, keep=wanted.keep
        ) as here,
        tempfile.TemporaryDirectory(dir=here.folder) as folder,
    ):
        before = _before(wanted, Path(folder), previous)
        shown = ""
        for level in LEVELS[1 : LEVELS.index(wanted.level) + 1]:
            hosts = selection.select_hosts(
                wanted.hosts, level, formats, here.engine, here.locations
            )
            if selection.describe_hosts(hosts, here.engine) != shown:
                selection.log_hosts(hosts, here.engine, log)
                shown = selection.describe_hosts(hosts, here.engine)
            report = _proved(level, here, hosts, wanted.paths, before)
            yield replace(report, environment=shown)
            if not report.passed:
                return


@dataclass(frozen=True)
class _Before:
    """What hosts have before the packages: earlier ones, and those of the other layout."""

    earlier: Sequence[Path]
    other: Sequence[Path]


def _before(wanted: VerifyRequest, folder: Path, previous: PreviousPackages) -> _Before:
    other: Sequence[Path] = ()
    if LEVELS.index(wanted.level) >= LEVELS.index("service"):
        other = previous.build_other_layout(folder / "other")
    return _Before(wanted.previous or previous.build(folder / "earlier"), other)


def _proved(
    level: str, here: Session, hosts: Sequence[Host], paths: Sequence[Path], before: _Before
) -> Report:
    from kubeparcel.verify.cluster import level as cluster
    from kubeparcel.verify.install import level as install
    from kubeparcel.verify.service import level as service

    if level == "install":
        return install.check(here, hosts, paths, before.earlier)
    if level == "service":
        return service.check(here, hosts, paths, before.earlier, other=before.other)
    return cluster.check(here, hosts, paths, before.earlier)
