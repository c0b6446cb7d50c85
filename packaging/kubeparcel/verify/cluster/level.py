"""The cluster level: kubeadm creates a cluster of two machines, and upgrades an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.session import Session
from kubeparcel.model import Version
from kubeparcel.packages.versions import deb_version_key
from kubeparcel.verify import kubelet
from kubeparcel.verify.cluster import machines
from kubeparcel.verify.cluster.machines import Cluster, ClusterSetup
from kubeparcel.verify.cluster.scenarios import CLUSTER, UPGRADE
from kubeparcel.verify.level_runner import HostLevel, LevelRun, PlannedScenario
from kubeparcel.verify.node_setup import require_node_packages
from kubeparcel.verify.scenario import Scenario

NAME = "cluster"


def _plan(run: LevelRun, hosts: Sequence[Host]) -> list[PlannedScenario[Cluster]]:
    """The first host is the control plane, the second the worker; one host can be both."""
    pair = (hosts[0], hosts[1] if len(hosts) > 1 else hosts[0])
    packages = (run.packages.require(pair[0]), run.packages.require(pair[1]))
    release = require_node_packages(NAME, pair[0], packages[0])
    setup = ClusterSetup(pair, packages, None, release)
    planned = [_plan_scenario(run.session, CLUSTER, setup)]
    if run.previous.files:
        previous = (run.previous.require(pair[0]), run.previous.require(pair[1]))
        previous_release = require_node_packages(NAME, pair[0], previous[0])
        if _package_key(previous_release) < _package_key(release):
            setup = ClusterSetup(pair, packages, previous, release, previous_release)
            return [*planned, _plan_scenario(run.session, UPGRADE, setup)]
    planned.append(replace(_plan_scenario(run.session, UPGRADE, setup), not_run="no packages of an earlier Kubernetes"))
    run.session.log.warn("Cluster upgrades are not tested: no packages of an earlier Kubernetes. Use --from DIR.")
    return planned


def _package_key(release: Version) -> tuple[object, ...]:
    """Return a key that sorts 1.36.3+acme.1 after 1.36.3, which are equal as semantic versions."""
    return deb_version_key(release.package_version)


def _plan_scenario(session: Session, scenario: Scenario[Cluster], setup: ClusterSetup) -> PlannedScenario[Cluster]:
    @contextmanager
    def start() -> Iterator[Cluster]:
        with machines.start_cluster(session, setup) as cluster:
            yield cluster

    return PlannedScenario(scenario, setup.hosts, start)


def _collect_evidence(cluster: Cluster) -> None:
    """Record the end of both kubelets' journals, and the containers, after a failed step."""
    for context in cluster.contexts:
        kubelet.journal_tail(context)
        context.run("crictl", "ps", "--all")


LEVEL = HostLevel(
    NAME,
    _plan,
    _collect_evidence,
    workers=lambda: 1,
    summary="kubeadm creates a cluster of two machines, and upgrades one",
    all_scenarios=lambda _: (CLUSTER, UPGRADE),
)
