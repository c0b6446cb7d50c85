"""One scenario of the service level: a machine of its own, with systemd and a container runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kubeparcel.hosts import systemd_node
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.reports.results import Check
from kubeparcel.verify.kubelet_contract import UNIT
from kubeparcel.verify.scenario import CURRENT_DIR, PREVIOUS_DIR, HostContext, Scenario, ScenarioRun
from kubeparcel.verify.service.kubelet import last_words

LEVEL = "service"
MEMORY = "1g"


def play(
    here: Session,
    host: Host,
    scenario: Scenario[HostContext],
    packages: PackageSet,
    earlier: PackageSet | None,
    told: Callable[[Check], None] = lambda _: None,
) -> list[Check]:
    """Play a scenario on a machine of its own, and give its checks; `told` hears of each."""
    mounts: dict[Path, str] = {packages.folder: CURRENT_DIR}
    if earlier:
        mounts[earlier.folder] = PREVIOUS_DIR
    with systemd_node.start_node(here, host, scenario.name, mounts=mounts, memory=MEMORY) as box:
        trial = HostContext(box, MANAGERS[host.family.package_manager], packages, earlier)
        trial.use_repositories(*mounts.values())
        course = ScenarioRun(LEVEL, host.name, trial, (trial,), explain, told)
        checks = list(course.run(scenario))
        if any(not check.passed for check in checks):
            here.keep_for_debugging(box)
    return checks


def explain(trial: HostContext) -> None:
    """What systemd and the kubelet say goes to the evidence of a check that failed."""
    trial.run("systemctl", "status", "--no-pager", "--full", "--lines=0", UNIT)
    last_words(trial)
