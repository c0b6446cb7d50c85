"""The scenarios of the cluster level: what is done to two machines, and what is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from kubeparcel.reports.results import Finding
from kubeparcel.verify.cluster import actions, assertions, node_assertions, upgrade
from kubeparcel.verify.cluster.machines import Cluster
from kubeparcel.verify.scenario import Scenario, Step

START = (
    Step(
        "packages",
        "both machines have the packages at their versions",
        node_assertions.on_each_machine(node_assertions.packages_at_initial_versions),
        vital=True,
    ),
    Step(
        "waiting",
        "before kubeadm the kubelet is enabled and waits",
        node_assertions.on_each_machine(node_assertions.kubelet_waits_for_kubeadm),
    ),
)
IMAGES = Step("images", "the control plane's images are present", actions.import_images, vital=True)
INIT = Step("init", "kubeadm init runs from a file with a KubeletConfiguration", actions.kubeadm_init, vital=True)
CONTROL_PLANE_RUNS = Step(
    "control-plane", "etcd, API server, controller manager and scheduler run", assertions.control_plane_runs
)
JOIN = Step("join", "kubeadm join runs with a bootstrap token", actions.kubeadm_join, vital=True)
NETWORK = Step("network", "with our CNI plugins both nodes become Ready", actions.configure_network, vital=True)
PODS = Step("pods", "pods on both nodes have addresses from our plugins", actions.run_pods, vital=True)
END = (
    Step("reset", "kubeadm reset removes the cluster", actions.kubeadm_reset, vital=True),
    Step("purge", "the packages are purged after that", actions.purge_packages),
)


def _node_steps(
    command: str, on_machine: Callable[[node_assertions.MachineAssertion], Callable[[Cluster], Iterable[Finding]]]
) -> tuple[Step[Cluster], ...]:
    """Return the steps that check what `kubeadm init` or `join` has left on its machine."""
    rows = (
        ("config", "config.yaml has the cluster's settings", node_assertions.config_has_cluster_settings),
        ("credentials", "kubelet.conf names client certificates", node_assertions.kubelet_conf_has_client_certificates),
        ("flags", "the flags file has the node's own settings", node_assertions.flags_file_has_node_settings),
        ("reloaded", "the kubelet was restarted and is healthy", node_assertions.kubelet_restarted_by_kubeadm),
        (
            "command-line",
            "the kubelet runs with the drop-in's arguments in order",
            node_assertions.kubelet_arguments_in_order,
        ),
    )
    return tuple(
        Step(f"{command}-{key}", f"after kubeadm {command}: {meaning}", on_machine(assertion))
        for key, meaning, assertion in rows
    )


CLUSTER: Scenario[Cluster] = Scenario(
    "cluster",
    (
        *START,
        Step("defaults", "kubeadm shows the kubelet's defaults", assertions.kubeadm_shows_defaults),
        IMAGES,
        INIT,
        CONTROL_PLANE_RUNS,
        *_node_steps("init", node_assertions.on_control_plane),
        Step(
            "config-map",
            "the ConfigMap has the settings for nodes that join later",
            assertions.config_map_has_cluster_settings,
        ),
        Step(
            "services", "services have addresses in the subnet given to kubeadm", assertions.services_use_given_subnet
        ),
        JOIN,
        Step("bootstrap", "the worker joined by TLS bootstrap", assertions.worker_joined_by_tls_bootstrap),
        *_node_steps("join", node_assertions.on_worker),
        Step("subnets", "each node has a part of the pod network", assertions.nodes_have_pod_subnets),
        NETWORK,
        PODS,
        Step("reachable", "each pod is reached from both nodes", assertions.pods_are_reachable),
        Step("runtime", "runtime and network are ready", assertions.runtimes_are_ready),
        Step(
            "instance",
            "a node's own settings take precedence over the cluster's",
            assertions.node_settings_take_precedence,
        ),
        Step("extra-args", "KUBELET_EXTRA_ARGS comes last and takes precedence", actions.set_extra_arguments),
        *END,
    ),
    "kubeadm init, join and reset, with pods on both nodes",
)
UPGRADE: Scenario[Cluster] = Scenario(
    "upgrade",
    (
        *(replace(step, previous=True) for step in (*START, IMAGES, INIT, CONTROL_PLANE_RUNS, JOIN, NETWORK, PODS)),
        Step("kubeadm", "kubeadm's package is upgraded alone; no kubelet restarts", upgrade.upgrade_kubeadm),
        Step("new-images", "the new images are present", upgrade.import_new_images, vital=True),
        Step("apply", "kubeadm upgrade apply runs on the control plane", upgrade.kubeadm_upgrade_apply, vital=True),
        Step(
            "apply-healthy", "the control plane runs at the new version", upgrade.control_plane_is_upgraded, vital=True
        ),
        Step(
            "kubelet-control-plane",
            "the control plane's kubelet is upgraded",
            upgrade.upgrade_kubelet(lambda cluster: cluster.control_plane),
            vital=True,
        ),
        Step("node", "kubeadm upgrade node runs on the worker", upgrade.kubeadm_upgrade_node, vital=True),
        Step(
            "kubelet-worker",
            "the worker's kubelet is upgraded",
            upgrade.upgrade_kubelet(lambda cluster: cluster.worker),
            vital=True,
        ),
        Step("upgraded", "both nodes are Ready at the new version", upgrade.nodes_are_upgraded, vital=True),
        Step("still-configured", "the nodes keep their settings", upgrade.settings_are_kept),
        Step("pods-kept", "the pods still run and are reached", assertions.pods_are_reachable),
        *END,
    ),
    "an upgrade of a cluster; needs previous packages of an earlier Kubernetes",
)
