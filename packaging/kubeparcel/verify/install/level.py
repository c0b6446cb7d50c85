"""The install level: packages are installed, upgraded and removed in containers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.verify.install.scenarios import UPGRADE, all_scenarios, scenarios
from kubeparcel.verify.level_runner import HostLevel, LevelRun, PlannedScenario
from kubeparcel.verify.scenario import CURRENT_DIR, HostContext, Scenario, package_mounts


def _plan(run: LevelRun, hosts: Sequence[Host]) -> list[PlannedScenario[HostContext]]:
    planned = []
    for host in hosts:
        packages, previous = run.packages.require(host), run.previous.get(host.format)
        ensure_image(run.session, host, Purpose.INSTALL)
        planned += [
            replace(
                plan_scenario(run.session, host, scenario, _packages_of(scenario, packages, previous), previous),
                not_run=not_run,
            )
            for scenario, not_run in scenarios(host, packages, previous)
        ]
    return planned


def _packages_of(scenario: Scenario[HostContext], packages: PackageSet, previous: PackageSet | None) -> PackageSet:
    """Return the packages of a scenario: an upgrade does not install those that the previous ones lack."""
    return packages.only(previous.names) if previous and scenario.name == UPGRADE.name else packages


def plan_scenario(
    session: Session, host: Host, scenario: Scenario[HostContext], packages: PackageSet, previous: PackageSet | None
) -> PlannedScenario[HostContext]:
    """Return a scenario that runs in its own container."""

    @contextmanager
    def start() -> Iterator[HostContext]:
        spec = ContainerSpec(
            ensure_image(session, host, Purpose.INSTALL),
            scenario.name,
            mounts=package_mounts(packages, previous),
            capabilities=("SYS_ADMIN",),
        )
        with session.start_container(host, spec) as container:
            context = HostContext(container, packages, previous)
            context.use_repositories(CURRENT_DIR)
            yield context

    return PlannedScenario(scenario, (host,), start)


LEVEL = HostLevel(
    "install", _plan, summary="packages are installed, upgraded and removed in containers", all_scenarios=all_scenarios
)
