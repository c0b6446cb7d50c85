"""Assertions about a cluster: its control plane, its settings, its nodes and its pods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import yaml

from kubeparcel.hosts.engine import WaitTimeout
from kubeparcel.reports.results import Finding
from kubeparcel.verify.cluster.api import get_node, running_containers, running_pods, wait_for_pod_subnet
from kubeparcel.verify.cluster.documents import (
    CLUSTER_MAX_PODS,
    CONTROL_PLANE_MAX_PODS,
    INSTANCE_LABEL,
    POD_SUBNET,
    SERVICE_SUBNET,
)
from kubeparcel.verify.cluster.machines import Cluster, Machine
from kubeparcel.verify.cluster.node_assertions import assert_cluster_settings, assert_equal

BOOTSTRAP_CONF = "/etc/kubernetes/bootstrap-kubelet.conf"
STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
UNUSED_PORT = 9
"""A TCP port on which no pod listens: a pod that is reached refuses the connection."""

HEALTHY_TIMEOUT = 60.0
"""Seconds that the control plane's containers may take to run."""


def kubeadm_shows_defaults(cluster: Cluster) -> Iterator[Finding]:
    """`kubeadm config print init-defaults` shows the kubelet's and the networks' defaults."""
    command = "kubeadm config print init-defaults --component-configs KubeletConfiguration"
    result = cluster.control_plane.context.run(*command.split())
    documents: dict[str, dict[str, Any]] = {
        document["kind"]: document for document in yaml.safe_load_all(result.stdout) if document
    }
    cluster_config = documents.get("ClusterConfiguration", {})
    kubelet_config = documents.get("KubeletConfiguration", {})
    subnet = cluster_config.get("networking", {}).get("serviceSubnet")
    manifests = kubelet_config.get("staticPodPath")
    yield from assert_equal("serviceSubnet", "10.96.0.0/12", subnet, command)
    yield from assert_equal("clusterDNS", ["10.96.0.10"], kubelet_config.get("clusterDNS"), command)
    yield from assert_equal("staticPodPath", "/etc/kubernetes/manifests", manifests, command)


def config_map_has_cluster_settings(cluster: Cluster) -> Iterator[Finding]:
    """The ConfigMap kubelet-config has the cluster's settings, for nodes that join later."""
    result = cluster.kubectl("--namespace=kube-system", "get", "configmap/kubelet-config", "--output=json")
    text = json.loads(result.stdout or "{}").get("data", {}).get("kubelet", "")
    yield from assert_cluster_settings(text, "ConfigMap kubelet-config")


def services_use_given_subnet(cluster: Cluster) -> Iterator[Finding]:
    """The API server's service has the first address of the subnet given to `kubeadm init`."""
    template = "--output=jsonpath={.spec.clusterIP}"
    address = cluster.kubectl("get", "service", "kubernetes", template).stdout.strip()
    first = str(next(ip_network(SERVICE_SUBNET).hosts()))
    yield from assert_equal("clusterIP", first, address, "service kubernetes")


def control_plane_runs(cluster: Cluster) -> Iterator[Finding]:
    """etcd, API server, controller manager and scheduler run, and the API is ready."""
    with suppress(WaitTimeout):  # what is still missing then is a finding
        cluster.control_plane.container.wait_for(
            lambda: set(STATIC_PODS) <= running_containers(cluster),
            "the control plane's containers to run",
            HEALTHY_TIMEOUT,
        )
    readyz = cluster.kubectl("get", "--raw", "/readyz?verbose").stdout
    if "readyz check passed" not in readyz:
        yield Finding("readyz check passed", readyz.strip()[-400:] or "no response", "/readyz")
    running = running_containers(cluster)
    for name in STATIC_PODS:
        if name not in running:
            found = f"running: {', '.join(sorted(running)) or 'nothing'}"
            yield Finding(f"{name} running", found, cluster.control_plane.name)


def worker_joined_by_tls_bootstrap(cluster: Cluster) -> Iterator[Finding]:
    """The worker's certificate request was approved and issued, its bootstrap file is gone."""
    output = cluster.kubectl("get", "csr", "--output=json").stdout
    requests = [
        request
        for request in json.loads(output or "{}").get("items", [])
        if request["spec"]["username"].startswith("system:bootstrap:")
    ]
    statuses = [request["status"] for request in requests]
    conditions = {c["type"] for status in statuses for c in status.get("conditions", ())}
    if "Approved" not in conditions or not any(status.get("certificate") for status in statuses):
        found = f"{len(requests)} requests, conditions: {', '.join(sorted(conditions)) or 'none'}"
        yield Finding("a bootstrap request, Approved and Issued", found, "kubectl get csr")
    worker = cluster.worker
    if not worker.context.run("test", "-e", BOOTSTRAP_CONF).exit_code:
        expected = "no file: only the first start needs it"
        yield Finding(expected, "a file", worker.context.locate(BOOTSTRAP_CONF))


def node_settings_take_precedence(cluster: Cluster) -> Iterator[Finding]:
    """The control plane's own maxPods is in effect there, the cluster's on the worker."""
    expected = ((cluster.control_plane, CONTROL_PLANE_MAX_PODS), (cluster.worker, str(CLUSTER_MAX_PODS)))
    for machine, max_pods in expected:
        yield from node_capacity_is(cluster, machine, max_pods)
        labels = get_node(cluster, machine).get("metadata", {}).get("labels", {})
        name, label = f"label {INSTANCE_LABEL}", labels.get(INSTANCE_LABEL)
        yield from assert_equal(name, machine.name, label, f"node {machine.name}")


def node_capacity_is(cluster: Cluster, machine: Machine, max_pods: str) -> Iterator[Finding]:
    """A node reports a capacity for pods: the maxPods in effect."""
    capacity = get_node(cluster, machine).get("status", {}).get("capacity", {})
    where = f"node {machine.name}"
    yield from assert_equal("capacity of pods", max_pods, capacity.get("pods"), where)


def nodes_have_pod_subnets(cluster: Cluster) -> Iterator[Finding]:
    """Each node is assigned a part of the pod network given to `kubeadm init`."""
    for machine in cluster.machines:
        subnet = wait_for_pod_subnet(cluster, machine)
        if not subnet.startswith(POD_SUBNET.rpartition(".0.0/")[0] + "."):
            yield Finding(f"a part of {POD_SUBNET}", subnet, f"node {machine.name}")


def runtimes_are_ready(cluster: Cluster) -> Iterator[Finding]:
    """Crictl reports on both machines that the runtime and its network are ready."""
    for machine in cluster.machines:
        info = json.loads(machine.context.run("crictl", "info").stdout or "{}")
        states = {c["type"]: c["status"] for c in info["status"]["conditions"]}
        for name in ("RuntimeReady", "NetworkReady"):
            if states.get(name) is not True:
                where = machine.context.locate("crictl info")
                yield Finding(f"{name}: True", f"{name}: {states.get(name)}", where)


def pods_are_reachable(cluster: Cluster) -> Iterator[Finding]:
    """Each pod is reached from both nodes: it refuses a connection, because nothing listens."""
    addresses = running_pods(cluster)
    for machine in cluster.machines:
        if machine.name not in addresses:
            yield Finding(f"a running pod on {machine.name}", "none", f"node {machine.name}")
    for node, address in addresses.items():
        for machine in cluster.machines:
            connect = f"exec 3<>/dev/tcp/{address}/{UNUSED_PORT}"
            result = machine.context.run("timeout", "10", "bash", "-c", connect, timeout=20)
            if "refused" not in result.stderr:
                found = result.stderr.strip() or "no response"
                where = f"{machine.name} → pod on {node}"
                yield Finding("Connection refused by the pod", found, where)
