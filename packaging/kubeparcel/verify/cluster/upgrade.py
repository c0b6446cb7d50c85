"""Upgrade a cluster of previous packages, in the steps of Kubernetes' documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import yaml

from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.cluster import assertions, documents
from kubeparcel.verify.cluster.actions import import_images_of, wait_until_ready
from kubeparcel.verify.cluster.machines import Cluster, Machine
from kubeparcel.verify.cluster.node_assertions import (
    config_has_cluster_settings,
    flags_file_has_node_settings,
    kubelet_arguments_in_order,
)
from kubeparcel.verify.scenario import CURRENT_DIR

UPGRADE_CONFIG = "/root/upgrade.yaml"
APPLY_TIMEOUT = 420.0
"""Seconds for `kubeadm upgrade apply`, which waits for each static pod in turn."""

NODE_TIMEOUT = 180.0


def upgrade_kubeadm(cluster: Cluster) -> Iterator[Finding]:
    """Upgrade kubeadm and its dependencies first; the kubelet is not restarted."""
    for machine in cluster.machines:
        machine.context.use_repositories(CURRENT_DIR)
        yield from _upgrade_packages(machine, ["kubeadm", "kubernetes-cni", "cri-tools"])


def _upgrade_packages(machine: Machine, names: Sequence[str]) -> Iterator[Finding]:
    """Upgrade some packages to the versions under test; the kubelet is not restarted."""
    context = machine.context
    before = kubelet.unit_properties(context, "MainPID", "NRestarts")
    versions = {name: v for name, v in context.packages.versions.items() if name in names}
    yield from context.change_versions(context.package_manager.install, versions)
    if kubelet.unit_properties(context, "MainPID", "NRestarts") != before:
        yield Finding("the same kubelet process", "it was restarted", machine.name)


def import_new_images(cluster: Cluster) -> Iterator[Finding]:
    """Import the images of the new version."""
    yield from import_images_of(cluster, cluster.release)


def kubeadm_upgrade_apply(cluster: Cluster) -> Iterator[Finding]:
    """Run `kubeadm upgrade apply` on the control plane."""
    yield from _kubeadm_upgrade(cluster, cluster.control_plane, "apply", APPLY_TIMEOUT)


def kubeadm_upgrade_node(cluster: Cluster) -> Iterator[Finding]:
    """Run `kubeadm upgrade node` on the worker."""
    yield from _kubeadm_upgrade(cluster, cluster.worker, "node", NODE_TIMEOUT)


def _kubeadm_upgrade(cluster: Cluster, machine: Machine, command: str, timeout: float) -> Iterator[Finding]:
    config = documents.upgrade(f"v{cluster.release.release}")
    machine.container.write_file(UPGRADE_CONFIG, yaml.safe_dump(config))
    argv = ("kubeadm", "upgrade", command, "--config", UPGRADE_CONFIG)
    yield from machine.context.run_successfully(*argv, timeout=timeout)


def control_plane_is_upgraded(cluster: Cluster) -> Iterator[Finding]:
    """The control plane runs, and its API server is the new one."""
    yield from assertions.control_plane_runs(cluster)
    output = cluster.kubectl("version", "--output=yaml").stdout
    version = (yaml.safe_load(output) or {}).get("serverVersion", {}).get("gitVersion")
    expected = f"v{cluster.release.release}"
    if version != expected:
        yield Finding(f"API server {expected}", str(version), "kubectl version")


def upgrade_kubelet(choose: Callable[[Cluster], Machine]) -> Callable[[Cluster], Iterator[Finding]]:
    """Return a step that upgrades kubelet and kubectl on one machine, then restarts the kubelet."""

    def run(cluster: Cluster) -> Iterator[Finding]:
        machine = choose(cluster)
        context = machine.context
        yield from _upgrade_packages(machine, ["kubelet", "kubectl"])
        yield from context.assert_versions(context.packages.versions)
        yield from context.run_successfully("systemctl", "daemon-reload")
        yield from context.run_successfully("systemctl", "restart", "kubelet")
        yield from kubelet_arguments_in_order(machine)

    return run


def nodes_are_upgraded(cluster: Cluster) -> Iterator[Finding]:
    """Both nodes are Ready, with the new kubelet."""
    yield from wait_until_ready(cluster, cluster.release)


def settings_are_kept(cluster: Cluster) -> Iterator[Finding]:
    """Both nodes have the cluster's settings, and their own, as before."""
    for machine in cluster.machines:
        yield from config_has_cluster_settings(machine)
        yield from flags_file_has_node_settings(machine)
    yield from assertions.node_settings_take_precedence(cluster)
