"""One scenario of the install level: a fresh container of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.reports.results import Check
from kubeparcel.verify.scenario import CURRENT_DIR, PREVIOUS_DIR, HostContext, Scenario, ScenarioRun


def play(
    here: Session,
    host: Host,
    image: str,
    scenario: Scenario[HostContext],
    packages: PackageSet,
    earlier: PackageSet | None,
    told: Callable[[Check], None] = lambda _: None,
) -> list[Check]:
    """Play a scenario in a container of its own, and give its checks; `told` hears of each."""
    mounts: dict[Path, str] = {packages.folder: CURRENT_DIR}
    if earlier:
        mounts[earlier.folder] = PREVIOUS_DIR
    start = ContainerSpec(image, scenario.name, mounts=mounts, capabilities=("SYS_ADMIN",))
    with here.start_container(host, start) as box:
        trial = HostContext(box, MANAGERS[host.family.package_manager], packages, earlier)
        trial.use_repositories(CURRENT_DIR)
        course = ScenarioRun("install", host.name, trial, (trial,), on_check=told)
        checks = list(course.run(scenario))
        if any(not check.passed for check in checks):
            here.keep_for_debugging(box)
    return checks
