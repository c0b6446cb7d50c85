"""The service level: systemd runs the kubelet as kubeadm expects it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from kubeparcel.hosts import systemd_node
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.parallel_runs import default_workers
from kubeparcel.hosts.session import Session
from kubeparcel.verify import kubelet
from kubeparcel.verify.kubelet_contract import UNIT
from kubeparcel.verify.level_runner import HostLevel, LevelRun, PlannedScenario
from kubeparcel.verify.node_setup import require_node_packages
from kubeparcel.verify.scenario import HostContext, Scenario, package_mounts
from kubeparcel.verify.service.scenarios import all_scenarios, scenarios

NAME = "service"
MEMORY = "1g"


def _plan(run: LevelRun, hosts: Sequence[Host]) -> list[PlannedScenario[HostContext]]:
    planned = []
    for host in hosts:
        packages = run.packages.require(host)
        require_node_packages(NAME, host, packages)
        ensure_image(run.session, host, Purpose.NODE)
        previous, other_layout = run.previous.get(host.format), run.other_layout.get(host.format)
        planned += [
            replace(plan_scenario(run.session, host, scenario, packages, initial), not_run=not_run)
            for scenario, initial, not_run in scenarios(packages, previous, other_layout)
        ]
    return planned


def plan_scenario(
    session: Session, host: Host, scenario: Scenario[HostContext], packages: PackageSet, initial: PackageSet | None
) -> PlannedScenario[HostContext]:
    """Return a scenario that runs in its own container, with systemd and containerd.

    `initial` are the packages that it starts with, if those differ from the ones under test.
    """

    @contextmanager
    def start() -> Iterator[HostContext]:
        mounts = package_mounts(packages, initial)
        with systemd_node.start_node(session, host, scenario.name, mounts=mounts, memory=MEMORY) as container:
            context = HostContext(container, packages, initial)
            context.use_repositories(*mounts.values())
            yield context

    return PlannedScenario(scenario, (host,), start)


def _collect_evidence(context: HostContext) -> None:
    """Record what systemd and the kubelet report after a failed step."""
    context.run("systemctl", "status", "--no-pager", "--full", "--lines=0", UNIT)
    kubelet.journal_tail(context)


def _workers() -> int:
    return default_workers() + 1  # machines with systemd often wait


LEVEL = HostLevel(
    NAME,
    _plan,
    _collect_evidence,
    _workers,
    summary="systemd runs the kubelet as kubeadm expects it",
    all_scenarios=all_scenarios,
)
