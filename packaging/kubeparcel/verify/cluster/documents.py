"""What kubeadm and the pods of the proof are told, as documents: pure, without a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubeparcel.model import Version
from kubeparcel.verify.node_setup import CRI_SOCKET, IGNORED_PREFLIGHT_ERRORS

Document = Mapping[str, Any]

KUBEADM = "kubeadm.k8s.io/v1beta4"
OLDEST = Version(1, 31, 0)
"""The first Kubernetes whose kubeadm reads v1beta4."""

SERVICES, DNS, DOMAIN = "10.112.0.0/16", "10.112.0.10", "proof.local"
"""Not kubeadm's defaults: a node that has these was told them."""

PODS = "10.244.0.0/16"
MARK = {"maxPods": 42, "streamingConnectionIdleTimeout": "1h23m0s"}
"""What the KubeletConfiguration given to `kubeadm init` says, to find it again on every node."""

FLAG = "33"
"""The maxPods that kubeadm's kubeletExtraArgs give the control plane, over MARK's."""

LABEL = "kubeparcel/instance"


def init(version: str, name: str, address: str) -> tuple[Document, ...]:
    """For `kubeadm init --config`; images are those that were imported, addons are left out."""
    flags = {"node-ip": address, "node-labels": f"{LABEL}={name}", "max-pods": FLAG}
    return (
        {
            "apiVersion": KUBEADM,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": address},
            "nodeRegistration": {**_registration(name, flags), "taints": []},
            "skipPhases": ["addon"],
        },
        {
            "apiVersion": KUBEADM,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": version,
            "clusterName": "proof",
            "networking": {"serviceSubnet": SERVICES, "podSubnet": PODS, "dnsDomain": DOMAIN},
        },
        {"kind": "KubeletConfiguration", **MARK},
    )


def join(name: str, address: str, endpoint: str, token: str, digest: str) -> Document:
    """For `kubeadm join --config`: a node with settings of its own."""
    flags = {"node-ip": address, "node-labels": f"{LABEL}={name}"}
    found = {"token": token, "apiServerEndpoint": endpoint, "caCertHashes": [digest]}
    return {
        "apiVersion": KUBEADM,
        "kind": "JoinConfiguration",
        "discovery": {"bootstrapToken": found},
        "nodeRegistration": _registration(name, flags),
    }


def upgrade(version: str) -> Document:
    """For `kubeadm upgrade apply --config` and `kubeadm upgrade node --config`.

    etcd and the addons stay as they are.
    """
    ignored = [
        *IGNORED_PREFLIGHT_ERRORS,
        "CoreDNSUnsupportedPlugins",
        "CoreDNSMigration",
    ]  # there is no CoreDNS
    common = {"imagePullPolicy": "Never", "ignorePreflightErrors": ignored, "etcdUpgrade": False}
    apply = {"kubernetesVersion": version, "forceUpgrade": True, "skipPhases": ["addon"]}
    return {
        "apiVersion": KUBEADM,
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


def network(subnet: str) -> Document:
    """A CNI configuration list that uses the plugins of kubernetes-cni and nothing else."""
    address = {
        "type": "host-local",
        "ranges": [[{"subnet": subnet}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "proof",
        "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": address},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def pods(image: str, nodes: Sequence[str]) -> Document:
    """A pod that only waits, on each of the nodes."""
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"probe-{node}", "labels": {"app": "probe"}},
                "spec": {
                    "nodeName": node,
                    "terminationGracePeriodSeconds": 0,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{"name": "waits", "image": image, "imagePullPolicy": "Never"}],
                },
            }
            for node in nodes
        ],
    }
