"""The install level: packages are installed, upgraded and removed on real distributions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.package_set import load_package_sets, package_sets_for
from kubeparcel.hosts.parallel_runs import run_parallel
from kubeparcel.hosts.session import Session
from kubeparcel.packages.find import find_package_files
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.install.runner import play
from kubeparcel.verify.install.scenarios import scenarios
from kubeparcel.verify.progress import StepCounts, show_progress
from kubeparcel.verify.scenario import HostContext, Scenario

LEVEL = "install"


def check(
    here: Session,
    hosts: Sequence[Host],
    paths: Sequence[Path],
    earlier: Sequence[Path] = (),
    only: Collection[str] = (),
) -> Report:
    """Prove packages on hosts, side by side, each scenario in a container of its own.

    `paths` are packages or folders of them; `earlier` are packages of before, to upgrade from:
    without them upgrades are not tried, and the log says so. `only` names scenarios. Raises
    UsageError when a host has no packages of its format, ToolError when a host cannot be made or
    started.
    """
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(dir=here.folder))
    sets = package_sets_for(hosts, find_package_files(paths), folder / "current")
    formats = tuple(sets)
    old = (
        load_package_sets(find_package_files(earlier), folder / "earlier", formats)
        if earlier
        else {}
    )
    if not earlier:
        here.log.warn("upgrades are not tried: there are no earlier packages (--from DIR).")
    images = {host.name: here.ensure_image(host, Purpose.INSTALL) for host in hosts}
    jobs = [
        (host, scenario)
        for host in hosts
        for scenario in scenarios(host, sets[host.format], old.get(host.format))
        if not only or scenario.name in only
    ]

    def job(index: int) -> list[Check]:
        host, scenario = jobs[index]
        packages, before = sets[host.format], old.get(host.format)
        with watches[host.name].scenario(scenario.name, len(scenario.steps)) as told:
            return play(here, host, images[host.name], scenario, packages, before, told)

    with show_progress(here.log, LEVEL, _counts(jobs)) as watches:
        found = run_parallel(here, job, len(jobs))
    checks = tuple(check for checks in found for check in checks)
    return Report(LEVEL, checks, time.monotonic() - started)


def _counts(jobs: Sequence[tuple[Host, Scenario[HostContext]]]) -> StepCounts:
    counts: dict[str, list[int]] = {}
    for host, scenario in jobs:
        counts.setdefault(host.name, []).append(len(scenario.steps))
    return counts
