"""The scenarios of the cluster level: what is done to two machines, and what is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from kubeparcel.reports.results import Finding
from kubeparcel.verify.cluster.actions import (
    configure_network,
    import_images,
    kubeadm_init,
    kubeadm_join,
    kubeadm_reset,
    purge_packages,
    run_pods,
    set_extra_arguments,
)
from kubeparcel.verify.cluster.assertions import (
    config_map_has_cluster_settings,
    control_plane_runs,
    kubeadm_shows_defaults,
    node_settings_take_precedence,
    nodes_have_pod_subnets,
    pods_are_reachable,
    runtimes_are_ready,
    services_use_given_subnet,
    worker_joined_by_tls_bootstrap,
)
from kubeparcel.verify.cluster.machines import Cluster
from kubeparcel.verify.cluster.node_assertions import (
    MachineAssertion,
    config_has_cluster_settings,
    flags_file_has_node_settings,
    kubelet_arguments_in_order,
    kubelet_conf_has_client_certificates,
    kubelet_restarted_by_kubeadm,
    kubelet_waits_for_kubeadm,
    on_control_plane,
    on_each_machine,
    on_worker,
    packages_at_initial_versions,
)
from kubeparcel.verify.cluster.upgrade import (
    control_plane_is_upgraded,
    import_new_images,
    kubeadm_upgrade_apply,
    kubeadm_upgrade_node,
    nodes_are_upgraded,
    settings_are_kept,
    upgrade_kubeadm,
    upgrade_kubelet,
)
from kubeparcel.verify.scenario import Scenario, Step

START = (
    Step(
        "packages",
        "both machines have the packages at their versions",
        on_each_machine(packages_at_initial_versions),
        vital=True,
    ),
    Step("waiting", "before kubeadm the kubelet is enabled and waits", on_each_machine(kubelet_waits_for_kubeadm)),
)
IMAGES = Step("images", "the control plane's images are present", import_images, vital=True)
INIT = Step("init", "kubeadm init runs from a file with a KubeletConfiguration", kubeadm_init, vital=True)
CONTROL_PLANE_RUNS = Step("control-plane", "etcd, API server, controller manager and scheduler run", control_plane_runs)
JOIN = Step("join", "kubeadm join runs with a bootstrap token", kubeadm_join, vital=True)
NETWORK = Step("network", "with our CNI plugins both nodes become Ready", configure_network, vital=True)
PODS = Step("pods", "pods on both nodes have addresses from our plugins", run_pods, vital=True)
END = (
    Step("reset", "kubeadm reset removes the cluster", kubeadm_reset, vital=True),
    Step("purge", "the packages are purged after that", purge_packages),
)


def _node_steps(
    command: str, on_machine: Callable[[MachineAssertion], Callable[[Cluster], Iterable[Finding]]]
) -> tuple[Step[Cluster], ...]:
    """Return the steps that check what `kubeadm init` or `join` has left on its machine."""
    rows = (
        ("config", "config.yaml has the cluster's settings", config_has_cluster_settings),
        ("credentials", "kubelet.conf names client certificates", kubelet_conf_has_client_certificates),
        ("flags", "the flags file has the node's own settings", flags_file_has_node_settings),
        ("reloaded", "the kubelet was restarted and is healthy", kubelet_restarted_by_kubeadm),
        ("command-line", "the kubelet runs with the drop-in's arguments in order", kubelet_arguments_in_order),
    )
    return tuple(
        Step(f"{command}-{key}", f"after kubeadm {command}: {meaning}", on_machine(assertion))
        for key, meaning, assertion in rows
    )


CLUSTER: Scenario[Cluster] = Scenario(
    "cluster",
    (
        *START,
        Step("defaults", "kubeadm shows the kubelet's defaults", kubeadm_shows_defaults),
        IMAGES,
        INIT,
        CONTROL_PLANE_RUNS,
        *_node_steps("init", on_control_plane),
        Step("config-map", "the ConfigMap has the settings for nodes that join later", config_map_has_cluster_settings),
        Step("services", "services have addresses in the subnet given to kubeadm", services_use_given_subnet),
        JOIN,
        Step("bootstrap", "the worker joined by TLS bootstrap", worker_joined_by_tls_bootstrap),
        *_node_steps("join", on_worker),
        Step("subnets", "each node has a part of the pod network", nodes_have_pod_subnets),
        NETWORK,
        PODS,
        Step("reachable", "each pod is reached from both nodes", pods_are_reachable),
        Step("runtime", "runtime and network are ready", runtimes_are_ready),
        Step("instance", "a node's own settings take precedence over the cluster's", node_settings_take_precedence),
        Step("extra-args", "KUBELET_EXTRA_ARGS comes last and takes precedence", set_extra_arguments),
        *END,
    ),
    "kubeadm init, join and reset, with pods on both nodes",
)
UPGRADE: Scenario[Cluster] = Scenario(
    "upgrade",
    (
        *(replace(step, previous=True) for step in (*START, IMAGES, INIT, CONTROL_PLANE_RUNS, JOIN, NETWORK, PODS)),
        Step("kubeadm", "kubeadm's package is upgraded alone; no kubelet restarts", upgrade_kubeadm),
        Step("new-images", "the new images are present", import_new_images, vital=True),
        Step("apply", "kubeadm upgrade apply runs on the control plane", kubeadm_upgrade_apply, vital=True),
        Step("apply-healthy", "the control plane runs at the new version", control_plane_is_upgraded, vital=True),
        Step(
            "kubelet-control-plane",
            "the control plane's kubelet is upgraded",
            upgrade_kubelet(lambda cluster: cluster.control_plane),
            vital=True,
        ),
        Step("node", "kubeadm upgrade node runs on the worker", kubeadm_upgrade_node, vital=True),
        Step(
            "kubelet-worker",
            "the worker's kubelet is upgraded",
            upgrade_kubelet(lambda cluster: cluster.worker),
            vital=True,
        ),
        Step("upgraded", "both nodes are Ready at the new version", nodes_are_upgraded, vital=True),
        Step("still-configured", "the nodes keep their settings", settings_are_kept),
        Step("pods-kept", "the pods still run and are reached", pods_are_reachable),
        *END,
    ),
    "an upgrade of a cluster; needs previous packages of an earlier Kubernetes",
)
