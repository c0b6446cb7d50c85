"""What a node needs before kubeadm, on the machine it happens to run on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from kubeparcel.hosts.container import Container
from kubeparcel.templates import render

CRI_SOCKET = "unix:///run/containerd/containerd.sock"
HEALTHZ_URL = "http://127.0.0.1:10248/healthz"

# Preflight tests that fail in a container whatever the packages are. Others must pass.
IGNORED_PREFLIGHT_ERRORS = (
    "SystemVerification",  # the kernel's configuration is not readable there
    "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables",
    "Swap",  # the machine's, not ours to switch off
    "NumCPU",
    "Mem",
    "CgroupVersion",
)
"""The preflight errors that `kubeadm --ignore-preflight-errors` is given; see kubeadm's docs."""


def uses_cgroup_v2(box: Container) -> bool:
    """Whether the machine has cgroups of version 2 only."""
    return box.exists("/sys/fs/cgroup/cgroup.controllers")


def configure_runtime(container: Container, pause: str = "") -> None:
    """Let containerd find our CNI plugins, and drive cgroups as the kubelet does; restarts it.

    `pause` is the sandbox's image, where it is not containerd's own choice.
    """
    values = {"pause": pause, "systemd": str(uses_cgroup_v2(container))}
    container.write_file("/etc/containerd/config.toml", render("hosts/containerd.toml", values))
    container.run("systemctl", "restart", "containerd", timeout=60)
    container.wait_for(
        lambda: container.run("ctr", "version", check=False).exit_code == 0,
        "containerd to answer",
        diagnose=lambda: (
            container.run("journalctl", "-u", "containerd", "-n", "20", check=False).stdout
        ),
    )


def kubelet_configuration(container: Container) -> Mapping[str, Any]:
    """A KubeletConfiguration that works in a container on this machine.

    A full disk or swap of the machine below is not the packages' fault; cgroups of version 1 need
    more (https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/).
    """
    common = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": dict.fromkeys(
            ("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"
        ),
    }
    if uses_cgroup_v2(container):
        return {**common, "cgroupDriver": "systemd"}
    crooked = {"cgroupDriver": "cgroupfs", "cgroupRoot": "/kubelet", "failCgroupV1": False}
    return {**common, **crooked}


def kubeadm_configuration(container: Container, *documents: Mapping[str, Any]) -> str:
    """A file for `kubeadm --config`: the documents, and the machine's KubeletConfiguration.

    A KubeletConfiguration among the documents adds to the machine's own.
    """
    kubelet = dict(kubelet_configuration(container))
    others = []
    for document in documents:
        if document["kind"] == kubelet["kind"]:
            kubelet.update(document)
        else:
            others.append(document)
    return yaml.safe_dump_all([*others, kubelet], sort_keys=False)
