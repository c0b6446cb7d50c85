"""Assertions about one machine of a cluster: what kubeadm has left, and how its kubelet runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import yaml

from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.cluster.documents import CLUSTER_DNS, CLUSTER_DOMAIN, INSTANCE_LABEL, KUBELET_SETTINGS
from kubeparcel.verify.cluster.machines import Cluster, Machine
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, KUBEADM_FLAGS_FILE

KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
CERTIFICATE_DIR = "/var/lib/kubelet/pki/"

MachineAssertion = Callable[[Machine], Iterable[Finding]]


def on_control_plane(assertion: MachineAssertion) -> Callable[[Cluster], Iterable[Finding]]:
    """Return a step that makes an assertion about the control plane."""
    return lambda cluster: assertion(cluster.control_plane)


def on_worker(assertion: MachineAssertion) -> Callable[[Cluster], Iterable[Finding]]:
    """Return a step that makes an assertion about the worker."""
    return lambda cluster: assertion(cluster.worker)


def on_each_machine(assertion: MachineAssertion) -> Callable[[Cluster], Iterable[Finding]]:
    """Return a step that makes an assertion about both machines."""
    return lambda cluster: (f for machine in cluster.machines for f in assertion(machine))


def packages_at_initial_versions(machine: Machine) -> Iterator[Finding]:
    """The machine starts with its packages at exactly their versions."""
    context = machine.context
    yield from context.assert_versions((context.previous or context.packages).versions)


def kubelet_waits_for_kubeadm(machine: Machine) -> Iterator[Finding]:
    """Before kubeadm the kubelet is enabled and waits: it does not run, and did not fail."""
    yield from kubelet.assert_unit_properties(
        machine.context, UnitFileState="enabled", ActiveState="inactive", Result="success", NRestarts="0"
    )


def config_has_cluster_settings(machine: Machine) -> Iterator[Finding]:
    """config.yaml has the settings, the DNS and the domain given to `kubeadm init`."""
    text = machine.context.run("cat", CONFIG_FILE).stdout
    yield from assert_cluster_settings(text, machine.context.locate(CONFIG_FILE))


def assert_cluster_settings(text: str, where: str) -> Iterator[Finding]:
    """A KubeletConfiguration has the settings, the DNS and the domain of `kubeadm init`."""
    settings = yaml.safe_load(text) or {}
    expected = {**KUBELET_SETTINGS, "clusterDNS": [CLUSTER_DNS], "clusterDomain": CLUSTER_DOMAIN}
    for name, value in expected.items():
        yield from assert_equal(name, value, settings.get(name), where)


def kubelet_conf_has_client_certificates(machine: Machine) -> Iterator[Finding]:
    """kubelet.conf names client certificates below CERTIFICATE_DIR, and they exist."""
    config = yaml.safe_load(machine.context.run("cat", KUBELET_CONF).stdout) or {}
    user = (config.get("users") or [{}])[0].get("user", {})
    where = machine.context.locate(KUBELET_CONF)
    for field in ("client-certificate", "client-key"):
        path = str(user.get(field, ""))
        if not path.startswith(CERTIFICATE_DIR):
            yield Finding(f"{field} in {CERTIFICATE_DIR}", path or f"no {field}", where)
        elif machine.context.run("test", "-s", path).exit_code:
            yield Finding("a certificate", "no file, or an empty one", machine.context.locate(path))


def flags_file_has_node_settings(machine: Machine) -> Iterator[Finding]:
    """kubeadm-flags.env has the node's own settings (kubeletExtraArgs)."""
    flags = kubelet.kubeadm_flags(machine.context)
    for flag in (f"--node-ip={machine.address}", f"--node-labels={INSTANCE_LABEL}={machine.name}"):
        if flag not in flags:
            found = " ".join(flags) or "no flags"
            yield Finding(flag, found, machine.context.locate(KUBEADM_FLAGS_FILE))


def kubelet_arguments_in_order(machine: Machine) -> Iterator[Finding]:
    """The kubelet runs with the drop-in's arguments, then kubeadm's, then the administrator's."""
    context = machine.context
    kubelet.wait_until_healthy(context)
    flags, extra = kubelet.kubeadm_flags(context), kubelet.extra_arguments(context)
    yield from kubelet.assert_command_line(context, [*kubelet.BASE_ARGUMENTS, *flags, *extra])


def kubelet_restarted_by_kubeadm(machine: Machine) -> Iterator[Finding]:
    """Systemd has read its units again and started the kubelet, which is healthy."""
    yield from kubelet.assert_unit_properties(
        machine.context, NeedDaemonReload="no", ActiveState="active", UnitFileState="enabled"
    )
    kubelet.wait_until_healthy(machine.context)


def assert_equal(name: str, expected: object, found: object, where: str = "") -> Iterator[Finding]:
    """Yield a finding unless a setting has the expected value."""
    if found != expected:
        yield Finding(f"{name}: {expected}", f"{name}: {found}", where)
