"""A cluster of earlier packages becomes one of these, as Kubernetes' documentation upgrades it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import yaml

from kubeparcel.reports.results import Finding
from kubeparcel.verify.cluster import assertions, documents
from kubeparcel.verify.cluster.actions import UPGRADE, _well, become_ready, provide
from kubeparcel.verify.cluster.machines import Cluster, Machine
from kubeparcel.verify.scenario import CURRENT_DIR, HostContext

SLOWLY = 420.0
"""Seconds for `kubeadm upgrade apply`, which waits for each static pod in turn."""


def kubeadm(cluster: Cluster) -> Iterator[Finding]:
    """Kubeadm's package goes first, with what it needs; the kubelet that runs is the same."""
    for machine in cluster.machines:
        before = _process(machine)
        machine.context.use_repositories(CURRENT_DIR)
        yield from _install(machine.context, ["kubeadm", "kubernetes-cni", "cri-tools"])
        if _process(machine) != before:
            yield Finding("the same kubelet process", "it was restarted", machine.name)


def _process(machine: Machine) -> str:
    argv = ("systemctl", "show", "kubelet", "--property=MainPID,NRestarts")
    return machine.context.run(*argv).stdout


def _install(trial: HostContext, names: Sequence[str]) -> Iterator[Finding]:
    """Some packages at the versions under proof; others only as far as these need them."""
    known = {name: version for name, version in trial.packages.versions.items() if name in names}
    yield from trial.run_manager(
        trial.package_manager.install, trial.package_manager.at_versions(known)
    )
    found = trial.installed_versions(tuple(known))
    for name, version in known.items():
        if found.get(name) != version:
            yield Finding(f"{name} {version}", f"{name} {found.get(name, 'not installed')}")


def images(cluster: Cluster) -> Iterator[Finding]:
    """The images that the newer kubeadm wants."""
    yield from provide(cluster, cluster.release)


def apply(cluster: Cluster) -> Iterator[Finding]:
    """`kubeadm upgrade apply` on the control plane."""
    plane = cluster.control_plane
    plane.container.write_file(UPGRADE, yaml.safe_dump(documents.upgrade(f"v{cluster.release}")))
    yield from _well(
        plane.context.run("kubeadm", "upgrade", "apply", "--config", UPGRADE, timeout=SLOWLY)
    )


def node(cluster: Cluster) -> Iterator[Finding]:
    """`kubeadm upgrade node` on the worker."""
    worker = cluster.worker
    worker.container.write_file(UPGRADE, yaml.safe_dump(documents.upgrade(f"v{cluster.release}")))
    yield from _well(
        worker.context.run("kubeadm", "upgrade", "node", "--config", UPGRADE, timeout=180)
    )


def healthy(cluster: Cluster) -> Iterator[Finding]:
    """The control plane runs, and its API server is the new one."""
    yield from assertions.control_plane(cluster)
    said = cluster.kubectl("version", "--output=yaml").stdout
    found = (yaml.safe_load(said) or {}).get("serverVersion", {}).get("gitVersion")
    if found != f"v{cluster.release}":
        yield Finding(f"an API server v{cluster.release}", str(found))


def kubelet(which: str) -> Callable[[Cluster], Iterator[Finding]]:
    """Kubelet and kubectl on one machine; the old kubelet runs until it is restarted."""

    def upgraded(cluster: Cluster) -> Iterator[Finding]:
        machine: Machine = cluster.machine(which)
        before = _process(machine)
        yield from _install(machine.context, ["kubelet", "kubectl"])
        if _process(machine) != before:
            yield Finding("the same kubelet process", "it was restarted", machine.name)
        yield from machine.context.assert_versions(machine.context.packages)
        yield from _well(machine.context.run("systemctl", "daemon-reload"))
        yield from _well(machine.context.run("systemctl", "restart", "kubelet"))
        yield from assertions.command_line(cluster, machine)

    return upgraded


def ready(cluster: Cluster) -> Iterator[Finding]:
    """Both nodes are Ready, and their kubelets the new ones."""
    yield from become_ready(cluster, cluster.release)


def settings(cluster: Cluster) -> Iterator[Finding]:
    """Both nodes have the cluster's settings, and their own, as before."""
    for machine in cluster.machines:
        yield from assertions.configuration(cluster, machine)
        yield from assertions.flags(cluster, machine)
    yield from assertions.settings(cluster)
