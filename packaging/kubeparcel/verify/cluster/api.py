"""What a cluster's API and its container runtimes report about nodes and pods."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kubeparcel.verify.cluster.documents import POD_SUBNET
from kubeparcel.verify.cluster.machines import Cluster, Machine

ASSIGN_TIMEOUT = 60.0
"""Seconds for the controller manager to assign a node its part of the pod network."""


def get_node(cluster: Cluster, machine: Machine) -> dict[str, Any]:
    """Return a node's object, and record its capacity and versions as evidence."""
    output = cluster.query("get", "node", machine.name, "--output=json")
    node: dict[str, Any] = json.loads(output or "{}")
    status = {key: node.get("status", {}).get(key) for key in ("capacity", "nodeInfo")}
    evidence = json.dumps({"status": status}, indent=1)
    machine.context.evidence[f"kubectl get node {machine.name}"] = evidence
    return node


def wait_for_pod_subnet(cluster: Cluster, machine: Machine) -> str:
    """Return a node's part of the pod network, which it is assigned soon after the join."""
    return machine.container.wait_for(
        lambda: str(get_node(cluster, machine).get("spec", {}).get("podCIDR", "")),
        f"the node {machine.name} to be assigned a part of {POD_SUBNET}",
        ASSIGN_TIMEOUT,
    )


def is_ready(cluster: Cluster, machine: Machine, version: str = "") -> bool:
    """Return whether a node is Ready, and at a version if one is given."""
    template = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status} {.status.nodeInfo.kubeletVersion}"
    fields = cluster.query("get", "node", machine.name, template).split()
    return fields[:1] == ["True"] and (not version or fields[1:] == [f"v{version}"])


def running_pods(cluster: Cluster) -> Mapping[str, str]:
    """Return the addresses of the running test pods, by node."""
    output = cluster.query("get", "pods", "--selector=app=probe", "--output=json")
    pods: list[dict[str, Any]] = json.loads(output or "{}").get("items", [])
    return {
        pod["spec"]["nodeName"]: pod["status"]["podIP"]
        for pod in pods
        if pod["status"].get("phase") == "Running" and pod["status"].get("podIP")
    }


def running_containers(cluster: Cluster) -> set[str]:
    """Return the names of the containers that run on the control plane."""
    result = cluster.control_plane.context.run("crictl", "ps", "--output=json")
    containers = json.loads(result.stdout or "{}").get("containers", [])
    return {container["metadata"]["name"] for container in containers if container["state"] == "CONTAINER_RUNNING"}
