"""Upgrade a cluster of previous packages, in the steps of Kubernetes' documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import yaml

from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.cluster import assertions, documents
from kubeparcel.verify.cluster.machines import Cluster, Machine
from kubeparcel.verify.scenario import CURRENT_DIR

UPGRADE_CONFIG = "/root/upgrade.yaml"
TIMEOUTS = {"apply": 420.0, "node": 180.0}
"""Seconds for `kubeadm upgrade`, by command; `apply` waits for each static pod in turn."""


def upgrade_kubeadm(machine: Machine) -> Iterator[Finding]:
    """Upgrade kubeadm and its dependencies first; the kubelet is not restarted."""
    machine.context.use_repositories(CURRENT_DIR)
    yield from _upgrade_packages(machine, ["kubeadm", "kubernetes-cni", "cri-tools"])


def _upgrade_packages(machine: Machine, names: Sequence[str]) -> Iterator[Finding]:
    """Upgrade some packages to the versions under test; the kubelet is not restarted."""
    context = machine.context
    before = kubelet.unit_properties(context, "MainPID", "NRestarts")
    yield from context.change_versions(context.package_manager.install, context.packages.only(names).versions)
    if kubelet.unit_properties(context, "MainPID", "NRestarts") != before:
        yield Finding("the same kubelet process", "it was restarted", machine.name)


def kubeadm_upgrade(command: str) -> Callable[[Cluster], Iterator[Finding]]:
    """Return a step that runs `kubeadm upgrade apply` on the control plane, or `node` on the worker."""

    def run(cluster: Cluster) -> Iterator[Finding]:
        machine = cluster.control_plane if command == "apply" else cluster.worker
        machine.container.write_file(UPGRADE_CONFIG, yaml.safe_dump(documents.upgrade(f"v{cluster.release.release}")))
        argv = ("kubeadm", "upgrade", command, "--config", UPGRADE_CONFIG)
        yield from machine.context.run_successfully(*argv, timeout=TIMEOUTS[command])

    return run


def control_plane_is_upgraded(cluster: Cluster) -> Iterator[Finding]:
    """The control plane runs, and its API server is the new one."""
    yield from assertions.control_plane_runs(cluster)
    output = cluster.kubectl("version", "--output=yaml").stdout
    version = (yaml.safe_load(output) or {}).get("serverVersion", {}).get("gitVersion")
    expected = f"v{cluster.release.release}"
    if version != expected:
        yield Finding(f"API server {expected}", str(version), "kubectl version")


def upgrade_kubelet(machine: Machine) -> Iterator[Finding]:
    """Upgrade kubelet and kubectl on one machine, then restart the kubelet."""
    context = machine.context
    yield from _upgrade_packages(machine, ["kubelet", "kubectl"])
    yield from context.assert_versions(context.packages.versions)
    yield from context.run_successfully("systemctl", "daemon-reload")
    yield from kubelet.restart(context)
    yield from assertions.kubelet_arguments_in_order(machine)


def settings_are_kept(cluster: Cluster) -> Iterator[Finding]:
    """Both nodes have the cluster's settings, and their own, as before."""
    for machine in cluster.machines:
        yield from assertions.config_has_cluster_settings(machine)
        yield from assertions.flags_file_has_node_settings(machine)
    yield from assertions.node_settings_take_precedence(cluster)
