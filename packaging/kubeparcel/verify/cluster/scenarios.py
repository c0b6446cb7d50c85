"""The cluster level as a table: what is done to two machines, and what must hold."""

from __future__ import annotations

from kubeparcel.verify.cluster import actions as do
from kubeparcel.verify.cluster import assertions as see
from kubeparcel.verify.cluster import upgrade as up
from kubeparcel.verify.cluster.machines import CONTROL_PLANE, WORKER, Cluster
from kubeparcel.verify.scenario import Scenario, Step

START = (
    Step("packages", "both machines have the packages at their versions", see.versions, vital=True),
    Step("waiting", "before kubeadm the kubelet is enabled, and waits", see.waiting, 64),
)
MAKE = (
    Step("images", "the control plane's images are there", do.images, vital=True),
    Step("init", "kubeadm init from a file with a KubeletConfiguration", do.init, 73, vital=True),
    Step("control-plane", "etcd, API server, controllers and scheduler run", see.control_plane, 73),
    Step("join", "kubeadm join with a bootstrap token", do.join, 74, vital=True),
    Step("network", "with our CNI plugins both nodes become Ready", do.network, 74, vital=True),
    Step("pods", "pods on both nodes have addresses from our plugins", do.pods, 71, vital=True),
)
END = (
    Step("reset", "kubeadm reset takes the cluster away", do.reset, 84, vital=True),
    Step("purge", "after that the packages go away", do.purge, 82),
)


def _each(name: str, meaning: str, which: str) -> tuple[Step[Cluster], ...]:
    """What kubeadm leaves on a machine, after `init` as after `join`."""
    rows = (
        ("config", "config.yaml has the cluster's settings", see.configuration, 0),
        ("credentials", "kubelet.conf names client certificates", see.credentials, 0),
        ("flags", "the flags file has the instance's own settings", see.flags, 0),
        ("reloaded", "the kubelet was started anew, and is healthy", see.reloaded, 73),
        ("command-line", "the kubelet's arguments are the drop-in's", see.command_line, 67),
    )
    return tuple(
        Step(f"{name}-{key}", f"{meaning}: {text}", see.on(which, question), number)
        for key, text, question, number in rows
    )


CLUSTER: Scenario[Cluster] = Scenario(
    "cluster",
    (
        *START,
        Step("defaults", "kubeadm shows the defaults of the kubelet", see.defaults),
        *MAKE[:3],
        *_each("init", "after kubeadm init", CONTROL_PLANE),
        Step("config-map", "the ConfigMap has the settings for nodes to come", see.config_map),
        Step("services", "services have addresses in the range given to kubeadm", see.services),
        MAKE[3],
        Step("bootstrap", "the worker came by TLS bootstrap", see.bootstrapped),
        *_each("join", "after kubeadm join", WORKER),
        Step("subnets", "each node has a part of the pods' network", see.subnets),
        *MAKE[4:],
        Step("reachable", "each pod is reached from both nodes", do.reachable),
        Step("runtime", "crictl finds runtime and network ready", do.runtime, 70),
        Step("instance", "a node's own settings win over the cluster's", see.settings),
        Step("extra-args", "KUBELET_EXTRA_ARGS comes last, and wins", do.last_resort, 68),
        *END,
    ),
)
UPGRADE: Scenario[Cluster] = Scenario(
    "upgrade",
    (
        *START,
        *MAKE,
        Step("kubeadm", "kubeadm's package alone is upgraded: no kubelet restarts", up.kubeadm, 80),
        Step("new-images", "the newer images are there", up.images, vital=True),
        Step("apply", "kubeadm upgrade apply on the control plane", up.apply, vital=True),
        Step("apply-healthy", "the control plane runs at the new version", up.healthy, vital=True),
        Step(
            "kubelet-plane",
            "the control plane's kubelet is upgraded",
            up.kubelet(CONTROL_PLANE),
            79,
            True,
        ),
        Step("node", "kubeadm upgrade node on the worker", up.node, vital=True),
        Step("kubelet-worker", "the worker's kubelet is upgraded", up.kubelet(WORKER), 79, True),
        Step("upgraded", "both nodes are Ready at the new version", up.ready, vital=True),
        Step("still-configured", "settings outlived it", up.settings),
        Step("pods-kept", "pods run, and are reached", do.reachable),
        *END,
    ),
)
