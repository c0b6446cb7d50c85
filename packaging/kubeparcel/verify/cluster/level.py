"""The cluster level: what kubeadm does to two machines, also to those of an earlier cluster, and what is checked."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.session import Session
from kubeparcel.model import Version
from kubeparcel.packages.versions import deb_version_key
from kubeparcel.verify import kubelet
from kubeparcel.verify.cluster import actions, assertions
from kubeparcel.verify.cluster.assertions import on_machines
from kubeparcel.verify.cluster.machines import CONTROL_PLANE, WORKER, Cluster, ClusterSetup, start_cluster
from kubeparcel.verify.level_runner import HostLevel, LevelRun, PlannedScenario
from kubeparcel.verify.node_setup import require_node_packages
from kubeparcel.verify.scenario import Scenario, Step, scenario, vital

NAME = "cluster"

START: tuple[Step[Cluster], ...] = (
    vital(
        "packages",
        "both machines have the packages at their versions",
        on_machines(assertions.packages_at_initial_versions),
    ),
    Step(
        "waiting", "before kubeadm the kubelet is enabled and waits", on_machines(assertions.kubelet_waits_for_kubeadm)
    ),
)
IMAGES = vital("images", "each machine has the images that it needs", actions.import_images)
INIT = vital("init", "kubeadm init runs from a file with a KubeletConfiguration", actions.kubeadm_init)
CONTROL_PLANE_RUNS = Step(
    "control-plane", "etcd, API server, controller manager and scheduler run", assertions.control_plane_runs
)
JOIN = vital("join", "kubeadm join runs with a bootstrap token", actions.kubeadm_join)
NETWORK = vital("network", "with our CNI plugins both nodes become Ready", actions.configure_network)
PODS = vital("pods", "pods on both nodes have addresses from our plugins", actions.run_pods)
END: tuple[Step[Cluster], ...] = (
    vital("reset", "kubeadm reset removes the cluster", actions.kubeadm_reset),
    Step("purge", "the packages are purged after that", on_machines(actions.purge_packages)),
)


def _node_steps(command: str, machine: str) -> tuple[Step[Cluster], ...]:
    """Return the steps that check what `kubeadm init` or `join` has left on its machine."""
    rows = (
        ("config", "config.yaml has the cluster's settings", assertions.config_has_cluster_settings),
        ("credentials", "kubelet.conf names client certificates", assertions.kubelet_conf_has_client_certificates),
        ("flags", "the flags file has the node's own settings", assertions.flags_file_has_node_settings),
        ("reloaded", "the kubelet was restarted and is healthy", assertions.kubelet_restarted_by_kubeadm),
        (
            "command-line",
            "the kubelet runs with the drop-in's arguments in order",
            assertions.kubelet_arguments_in_order,
        ),
    )
    return tuple(
        Step(f"{command}-{key}", f"after kubeadm {command}: {meaning}", on_machines(assertion, machine))
        for key, meaning, assertion in rows
    )


CLUSTER = scenario(
    "cluster",
    "kubeadm init, join and reset, with pods on both nodes",
    *START,
    Step("defaults", "kubeadm shows the kubelet's defaults", assertions.kubeadm_shows_defaults),
    IMAGES,
    INIT,
    CONTROL_PLANE_RUNS,
    *_node_steps("init", CONTROL_PLANE),
    Step(
        "config-map",
        "the ConfigMap has the settings for nodes that join later",
        assertions.config_map_has_cluster_settings,
    ),
    Step("services", "services have addresses in the subnet given to kubeadm", assertions.services_use_given_subnet),
    JOIN,
    Step("bootstrap", "the worker joined by TLS bootstrap", assertions.worker_joined_by_tls_bootstrap),
    *_node_steps("join", WORKER),
    Step("subnets", "each node has a part of the pod network", assertions.nodes_have_pod_subnets),
    NETWORK,
    PODS,
    Step("reachable", "each pod is reached from both nodes", assertions.pods_are_reachable),
    Step("runtime", "runtime and network are ready", on_machines(assertions.runtime_is_ready)),
    Step(
        "instance", "a node's own settings take precedence over the cluster's", assertions.node_settings_take_precedence
    ),
    Step("extra-args", "KUBELET_EXTRA_ARGS comes last and takes precedence", actions.set_extra_arguments),
    *END,
)
UPGRADE = scenario(
    "upgrade",
    "an upgrade of a cluster; needs previous packages of an earlier Kubernetes",
    *(replace(step, previous=True) for step in (*START, IMAGES, INIT, CONTROL_PLANE_RUNS, JOIN, NETWORK, PODS)),
    Step("kubeadm", "kubeadm's package is upgraded alone; no kubelet restarts", on_machines(actions.upgrade_kubeadm)),
    vital("new-images", "the new images are present", lambda cluster: actions.import_images(cluster, cluster.release)),
    vital("apply", "kubeadm upgrade apply runs on the control plane", actions.kubeadm_upgrade("apply")),
    vital("apply-healthy", "the control plane runs at the new version", actions.control_plane_is_upgraded),
    vital(
        "kubelet-control-plane",
        "the control plane's kubelet is upgraded",
        on_machines(actions.upgrade_kubelet, CONTROL_PLANE),
    ),
    vital("node", "kubeadm upgrade node runs on the worker", actions.kubeadm_upgrade("node")),
    vital("kubelet-worker", "the worker's kubelet is upgraded", on_machines(actions.upgrade_kubelet, WORKER)),
    vital(
        "upgraded",
        "both nodes are Ready at the new version",
        lambda cluster: actions.wait_until_ready(cluster, cluster.release),
    ),
    Step("still-configured", "the nodes keep their settings", actions.settings_are_kept),
    Step("pods-kept", "the pods still run and are reached", assertions.pods_are_reachable),
    *END,
)


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


def _plan_scenario(session: Session, item: Scenario[Cluster], setup: ClusterSetup) -> PlannedScenario[Cluster]:
    return PlannedScenario(item, setup.hosts, functools.partial(start_cluster, session, setup))


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
    together=True,
)
