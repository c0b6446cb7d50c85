"""Assertions about a cluster, and about one machine of it: its settings, its kubelet, its nodes and pods."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import yaml

from kubeparcel.hosts.engine import WaitTimeout
from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.cluster.documents import (
    CLUSTER_DNS,
    CLUSTER_DOMAIN,
    CLUSTER_MAX_PODS,
    CONTROL_PLANE_MAX_PODS,
    INSTANCE_LABEL,
    KUBELET_SETTINGS,
    POD_SUBNET,
    SERVICE_SUBNET,
)
from kubeparcel.verify.cluster.machines import CONTROL_PLANE, WORKER, Cluster, Machine
from kubeparcel.verify.kubelet_contract import CONFIG_FILE, KUBEADM_FLAGS_FILE

KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
BOOTSTRAP_CONF = "/etc/kubernetes/bootstrap-kubelet.conf"
CERTIFICATE_DIR = "/var/lib/kubelet/pki/"
STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
UNUSED_PORT = 9
"""A TCP port on which no pod listens: a pod that is reached refuses the connection."""

HEALTHY_TIMEOUT = 60.0
"""Seconds that the control plane's containers may take to run."""


def on_machines(
    assertion: Callable[[Machine], Iterable[Finding]], *names: str
) -> Callable[[Cluster], Iterator[Finding]]:
    """Return a step that makes an assertion about machines with some names, by default about both."""
    return lambda cluster: (
        finding
        for machine in cluster.machines
        if machine.name in (names or (CONTROL_PLANE, WORKER))
        for finding in assertion(machine)
    )


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
    yield from _has_cluster_settings(text, machine.context.locate(CONFIG_FILE))


def _has_cluster_settings(text: str, where: str) -> Iterator[Finding]:
    settings = yaml.safe_load(text) or {}
    expected = {**KUBELET_SETTINGS, "clusterDNS": [CLUSTER_DNS], "clusterDomain": CLUSTER_DOMAIN}
    for name, value in expected.items():
        yield from _assert_equal(name, value, settings.get(name), where)


def kubelet_conf_has_client_certificates(machine: Machine) -> Iterator[Finding]:
    """kubelet.conf names client certificates below CERTIFICATE_DIR, and they exist."""
    config = yaml.safe_load(machine.context.run("cat", KUBELET_CONF).stdout) or {}
    user = (config.get("users") or [{}])[0].get("user", {})
    for field in ("client-certificate", "client-key"):
        path = str(user.get(field, ""))
        if not path.startswith(CERTIFICATE_DIR):
            yield Finding(f"{field} in {CERTIFICATE_DIR}", path or f"no {field}", machine.context.locate(KUBELET_CONF))
        elif machine.context.run("test", "-s", path).exit_code:
            yield Finding("a certificate", "no file, or an empty one", machine.context.locate(path))


def flags_file_has_node_settings(machine: Machine) -> Iterator[Finding]:
    """kubeadm-flags.env has the node's own settings (kubeletExtraArgs)."""
    flags = kubelet.kubeadm_flags(machine.context)
    for flag in (f"--node-ip={machine.address}", f"--node-labels={INSTANCE_LABEL}={machine.name}"):
        if flag not in flags:
            yield Finding(flag, " ".join(flags) or "no flags", machine.context.locate(KUBEADM_FLAGS_FILE))


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


def _assert_equal(name: str, expected: object, found: object, where: str) -> Iterator[Finding]:
    if found != expected:
        yield Finding(f"{name}: {expected}", f"{name}: {found}", where)


def kubeadm_shows_defaults(cluster: Cluster) -> Iterator[Finding]:
    """`kubeadm config print init-defaults` shows the kubelet's and the networks' defaults."""
    command = "kubeadm config print init-defaults --component-configs KubeletConfiguration"
    result = cluster.control_plane.context.run(*command.split())
    documents = {document["kind"]: document for document in yaml.safe_load_all(result.stdout) if document}
    kubelet_config: dict[str, Any] = documents.get("KubeletConfiguration", {})
    subnet = documents.get("ClusterConfiguration", {}).get("networking", {}).get("serviceSubnet")
    yield from _assert_equal("serviceSubnet", "10.96.0.0/12", subnet, command)
    for name, value in {"clusterDNS": ["10.96.0.10"], "staticPodPath": "/etc/kubernetes/manifests"}.items():
        yield from _assert_equal(name, value, kubelet_config.get(name), command)


def config_map_has_cluster_settings(cluster: Cluster) -> Iterator[Finding]:
    """The ConfigMap kubelet-config has the cluster's settings, for nodes that join later."""
    result = cluster.kubectl("--namespace=kube-system", "get", "configmap/kubelet-config", "--output=json")
    text = json.loads(result.stdout or "{}").get("data", {}).get("kubelet", "")
    yield from _has_cluster_settings(text, "ConfigMap kubelet-config")


def services_use_given_subnet(cluster: Cluster) -> Iterator[Finding]:
    """The API server's service has the first address of the subnet given to `kubeadm init`."""
    address = cluster.kubectl("get", "service", "kubernetes", "--output=jsonpath={.spec.clusterIP}").stdout.strip()
    first = str(next(ip_network(SERVICE_SUBNET).hosts()))
    yield from _assert_equal("clusterIP", first, address, "service kubernetes")


def control_plane_runs(cluster: Cluster) -> Iterator[Finding]:
    """etcd, API server, controller manager and scheduler run, and the API is ready."""
    with suppress(WaitTimeout):  # what is still missing then is a finding
        cluster.control_plane.container.wait_for(
            lambda: set(STATIC_PODS) <= cluster.running_containers(),
            "the control plane's containers to run",
            HEALTHY_TIMEOUT,
        )
    readyz = cluster.kubectl("get", "--raw", "/readyz?verbose").stdout
    if "readyz check passed" not in readyz:
        yield Finding("readyz check passed", readyz.strip()[-400:] or "no response", "/readyz")
    running = cluster.running_containers()
    for name in STATIC_PODS:
        if name not in running:
            found = f"running: {', '.join(sorted(running)) or 'nothing'}"
            yield Finding(f"{name} running", found, cluster.control_plane.name)


def worker_joined_by_tls_bootstrap(cluster: Cluster) -> Iterator[Finding]:
    """The worker's certificate request was approved and issued, its bootstrap file is gone."""
    output = cluster.kubectl("get", "csr", "--output=json").stdout
    statuses = [
        request["status"]
        for request in json.loads(output or "{}").get("items", [])
        if request["spec"]["username"].startswith("system:bootstrap:")
    ]
    conditions = {c["type"] for status in statuses for c in status.get("conditions", ())}
    if "Approved" not in conditions or not any(status.get("certificate") for status in statuses):
        found = f"{len(statuses)} requests, conditions: {', '.join(sorted(conditions)) or 'none'}"
        yield Finding("a bootstrap request, Approved and Issued", found, "kubectl get csr")
    context = cluster.worker.context
    if not context.run("test", "-e", BOOTSTRAP_CONF).exit_code:
        yield Finding("no file: only the first start needs it", "a file", context.locate(BOOTSTRAP_CONF))


def node_settings_take_precedence(cluster: Cluster) -> Iterator[Finding]:
    """The control plane's own maxPods is in effect there, the cluster's on the worker."""
    for machine, max_pods in zip(cluster.machines, (CONTROL_PLANE_MAX_PODS, str(CLUSTER_MAX_PODS)), strict=True):
        yield from node_capacity_is(cluster, machine, max_pods)
        label = cluster.node(machine).get("metadata", {}).get("labels", {}).get(INSTANCE_LABEL)
        yield from _assert_equal(f"label {INSTANCE_LABEL}", machine.name, label, f"node {machine.name}")


def node_capacity_is(cluster: Cluster, machine: Machine, max_pods: str) -> Iterator[Finding]:
    """A node reports a capacity for pods: the maxPods in effect."""
    capacity = cluster.node(machine).get("status", {}).get("capacity", {})
    yield from _assert_equal("capacity of pods", max_pods, capacity.get("pods"), f"node {machine.name}")


def nodes_have_pod_subnets(cluster: Cluster) -> Iterator[Finding]:
    """Each node is assigned a part of the pod network given to `kubeadm init`."""
    for machine in cluster.machines:
        subnet = cluster.wait_for_pod_subnet(machine)
        if not subnet.startswith(POD_SUBNET.rpartition(".0.0/")[0] + "."):
            yield Finding(f"a part of {POD_SUBNET}", subnet, f"node {machine.name}")


def runtime_is_ready(machine: Machine) -> Iterator[Finding]:
    """Crictl reports that the runtime and its network are ready."""
    info = json.loads(machine.context.run("crictl", "info").stdout or "{}")
    states = {c["type"]: c["status"] for c in info["status"]["conditions"]}
    for name in ("RuntimeReady", "NetworkReady"):
        if states.get(name) is not True:
            yield Finding(f"{name}: True", f"{name}: {states.get(name)}", machine.context.locate("crictl info"))


def pods_are_reachable(cluster: Cluster) -> Iterator[Finding]:
    """Each pod is reached from both nodes: it refuses a connection, because nothing listens."""
    addresses = cluster.running_pods()
    for machine in cluster.machines:
        if machine.name not in addresses:
            yield Finding(f"a running pod on {machine.name}", "none", f"node {machine.name}")
    for node, address in addresses.items():
        for machine in cluster.machines:
            connect = f"exec 3<>/dev/tcp/{address}/{UNUSED_PORT}"
            result = machine.context.run("timeout", "10", "bash", "-c", connect, timeout=20)
            if "refused" not in result.stderr:
                found = result.stderr.strip() or "no response"
                yield Finding("Connection refused by the pod", found, f"{machine.name} → pod on {node}")
