"""Configuration files for kubeadm and CNI, and the test pods' manifest, as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from kubeparcel.verify.node_setup import CRI_SOCKET, IGNORED_PREFLIGHT_ERRORS, KUBEADM_API

Document: TypeAlias = Mapping[str, Any]

SERVICE_SUBNET, CLUSTER_DNS, CLUSTER_DOMAIN = "10.112.0.0/16", "10.112.0.10", "kubeparcel.local"
"""Not kubeadm's defaults, so that a node with these values must have been given them."""

POD_SUBNET = "10.244.0.0/16"
CLUSTER_MAX_PODS = 42
KUBELET_SETTINGS = {"maxPods": CLUSTER_MAX_PODS, "streamingConnectionIdleTimeout": "1h23m0s"}
"""The KubeletConfiguration given to `kubeadm init`, to be found again on every node."""

CONTROL_PLANE_MAX_PODS = "33"
"""The maxPods in the control plane's kubeletExtraArgs, which takes precedence."""

INSTANCE_LABEL = "kubeparcel/instance"
POD_PREFIX = "probe-"


def init(version: str, name: str, address: str) -> tuple[Document, ...]:
    """Return documents for `kubeadm init --config`; images are never pulled, addons left out."""
    flags = {"node-ip": address, "node-labels": f"{INSTANCE_LABEL}={name}", "max-pods": CONTROL_PLANE_MAX_PODS}
    return (
        {
            "apiVersion": KUBEADM_API,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": address},
            "nodeRegistration": {**_registration(name, flags), "taints": []},
            "skipPhases": ["addon"],
        },
        {
            "apiVersion": KUBEADM_API,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": version,
            "clusterName": "kubeparcel",
            "networking": {"serviceSubnet": SERVICE_SUBNET, "podSubnet": POD_SUBNET, "dnsDomain": CLUSTER_DOMAIN},
        },
        {"kind": "KubeletConfiguration", **KUBELET_SETTINGS},
    )


def join(name: str, address: str, endpoint: str, token: str, digest: str) -> Document:
    """Return a document for `kubeadm join --config`: a node with its own settings."""
    flags = {"node-ip": address, "node-labels": f"{INSTANCE_LABEL}={name}"}
    discovery = {"token": token, "apiServerEndpoint": endpoint, "caCertHashes": [digest]}
    return {
        "apiVersion": KUBEADM_API,
        "kind": "JoinConfiguration",
        "discovery": {"bootstrapToken": discovery},
        "nodeRegistration": _registration(name, flags),
    }


def upgrade(version: str) -> Document:
    """Return a document for `kubeadm upgrade apply` and `kubeadm upgrade node`.

    etcd and the addons are not upgraded.
    """
    no_coredns = ["CoreDNSUnsupportedPlugins", "CoreDNSMigration"]
    common = {
        "imagePullPolicy": "Never",
        "ignorePreflightErrors": [*IGNORED_PREFLIGHT_ERRORS, *no_coredns],
        "etcdUpgrade": False,
    }
    apply = {"kubernetesVersion": version, "forceUpgrade": True, "skipPhases": ["addon"]}
    return {
        "apiVersion": KUBEADM_API,
        "kind": "UpgradeConfiguration",
        "apply": {**common, **apply},
        "node": {**common, "skipPhases": ["addon"]},
    }


def _registration(name: str, flags: Mapping[str, str]) -> Document:
    return {
        "name": name,
        "criSocket": CRI_SOCKET,
        "imagePullPolicy": "Never",
        "kubeletExtraArgs": [{"name": flag, "value": value} for flag, value in flags.items()],
        "ignorePreflightErrors": list(IGNORED_PREFLIGHT_ERRORS),
    }


def cni_configuration(subnet: str) -> Document:
    """Return a CNI configuration list that uses only the plugins of kubernetes-cni."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]}
    return {
        "cniVersion": "1.0.0",
        "name": "kubeparcel",
        "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def pods(image: str, nodes: Sequence[str]) -> Document:
    """Return a manifest with a pod on each of the nodes, which only waits."""
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"{POD_PREFIX}{node}", "labels": {"app": "probe"}},
                "spec": {
                    "nodeName": node,
                    "terminationGracePeriodSeconds": 0,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{"name": "pause", "image": image, "imagePullPolicy": "Never"}],
                },
            }
            for node in nodes
        ],
    }
