"""The levels on hosts: run in order, in containers of this machine or of others (`Hosts`)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from kubeparcel.console import Log, first_names
from kubeparcel.hosts import selection
from kubeparcel.hosts.session import Session, open_session
from kubeparcel.reports.results import Report
from kubeparcel.store import Store
from kubeparcel.user_cache import open_store
from kubeparcel.verify.cluster import level as cluster
from kubeparcel.verify.install import level as install
from kubeparcel.verify.level_packages import LevelPackages, PackageSets
from kubeparcel.verify.level_runner import HostLevel, LevelRun, run_level
from kubeparcel.verify.request import PreviousPackages, VerifyRequest
from kubeparcel.verify.service import level as service

HOST_LEVELS: tuple[HostLevel[Any], ...] = (install.LEVEL, service.LEVEL, cluster.LEVEL)


class Hosts(Protocol):
    """Machines whose containers are hosts, and a folder for files that are needed until all levels have run."""

    store: Store
    folder: Path

    def run(
        self, level: HostLevel[Any], packages: LevelPackages, names: Sequence[str], only: Sequence[str] = ()
    ) -> Report:
        """Run a level on the named hosts, or on the default ones; return its checks and the hosts' description."""


class LocalHosts:
    """Containers of this machine, in a session."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.session, self.store, self.folder = session, session.store, folder
        self._environment = ""

    def run(
        self, level: HostLevel[Any], packages: LevelPackages, names: Sequence[str], only: Sequence[str] = ()
    ) -> Report:
        engine, formats = self.session.engine, packages.packages.formats
        hosts = selection.select_hosts(names, level.name, formats, engine, self.session.locations)
        environment = selection.describe_hosts(hosts, engine)
        if environment != self._environment:
            self._environment = environment
            self.session.log.info("Hosts", environment)
        return replace(run_level(level, LevelRun.on(self.session, packages), hosts, only), environment=environment)


@contextmanager
def open_local_hosts(request: VerifyRequest, store: Store, log: Log) -> Iterator[LocalHosts]:
    """Open a session for a request; its containers are removed at the end."""
    engine, options = request.engine, request.engine_options
    with open_session(store, log, engine=engine, engine_options=options, keep=request.keep) as session:
        # A container that is kept has packages mounted from there.
        yield LocalHosts(session, Path(tempfile.mkdtemp(dir=session.folder)))


def run_host_levels(
    request: VerifyRequest,
    levels: Sequence[str],
    log: Log,
    previous: PreviousPackages,
    remote_hosts: AbstractContextManager[Hosts] | None = None,
) -> Iterator[Report]:
    """Run some levels on hosts, or up to the first that fails; on this machine, unless there are `remote_hosts`."""
    with remote_hosts or open_local_hosts(request, open_store(log), log) as hosts:
        packages = _prepare(request, levels, hosts, log, previous)
        previous_packages = packages.describe_previous()
        if previous_packages:
            log.info("Upgrades", f"from {packages.previous_label}")
        for level in HOST_LEVELS:
            if level.name not in levels:
                continue
            report = hosts.run(level, packages, request.hosts, request.only)
            yield replace(report, previous=previous_packages)
            if report.failed:
                return


def _prepare(
    request: VerifyRequest, levels: Sequence[str], hosts: Hosts, log: Log, previous: PreviousPackages
) -> LevelPackages:
    """Build the packages that hosts start with, and warn about tests that lack theirs."""
    folder = hosts.folder
    packages = PackageSets(request.paths, folder / "current")
    _warn_about_scriptlets(packages, levels, hosts.store, log)
    other_layout: Sequence[Path] = ()
    if service.NAME in levels:
        other_layout = previous.build_other_layout(packages.contents, folder / "other-layout")
        if not other_layout:
            log.warn("Changes of layout are not tested: kubeparcel did not build these packages.")
    earlier = request.previous or previous.build(packages.contents, folder / "previous")
    if not earlier:
        log.warn("Upgrades are not tested: no previous packages. Use --from DIR.")
    return LevelPackages(
        packages,
        PackageSets(earlier, folder / "earlier"),
        PackageSets(other_layout, folder / "other"),
        "" if request.previous else "the packages under test, one revision earlier",
    )


def _warn_about_scriptlets(packages: PackageSets, levels: Sequence[str], store: Store, log: Log) -> None:
    foreign = packages.not_in(store)
    if not foreign:
        return
    names = first_names([file.name for file in foreign], 1)
    container = "privileged containers" if {service.NAME, cluster.NAME}.intersection(levels) else "containers"
    log.warn(
        f"{names}: not built on this machine. The scriptlets run as root in {container}; "
        "--engine-options can restrict these (see docs/explanation/levels-and-hosts.md)."
    )
