"""What a node needs before kubeadm: packages, a container runtime and a configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from kubeparcel.errors import UsageError
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.model import Version
from kubeparcel.templates import render

CRI_SOCKET = "unix:///run/containerd/containerd.sock"
HEALTHZ_URL = "http://127.0.0.1:10248/healthz"

KUBEADM_API = "kubeadm.k8s.io/v1beta4"
OLDEST_RELEASE = Version(1, 31, 0)
"""The first Kubernetes whose kubeadm reads KUBEADM_API."""

NODE_PACKAGES = ("kubeadm", "kubelet")

# Preflight checks that fail in a container whatever the packages are. All others must pass.
IGNORED_PREFLIGHT_ERRORS = (
    "SystemVerification",  # the kernel's configuration is not readable there
    "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables",
    "Swap",  # is that of the machine that runs the container
    "NumCPU",
    "Mem",
    "CgroupVersion",
)
"""The value of `kubeadm --ignore-preflight-errors`; kubeadm documents the names."""


def require_node_packages(level: str, host: Host, packages: PackageSet) -> Version:
    """Return the packages' Kubernetes version.

    Raises UsageError for packages without kubeadm and kubelet, or older than OLDEST_RELEASE.
    """
    missing = [name for name in NODE_PACKAGES if name not in packages.names]
    if missing:
        raise UsageError(
            f"--on {host.name}: --level {level} needs {' and '.join(missing)} as {host.format}, "
            "but the packages do not include them.",
            "Build them, or choose another host: inv hosts",
        )
    kubeadm = next(package for package in packages.contents if package.name == "kubeadm")
    release = Version.parse(kubeadm.upstream_version)
    if release < OLDEST_RELEASE:
        raise UsageError(
            f"--level {level}: Kubernetes {release} is too old; the level needs {OLDEST_RELEASE.series} or later.",
            "Verify it with: inv verify --level install",
        )
    return release


def uses_cgroup_v2(container: Container) -> bool:
    """Return whether the machine has the unified cgroup hierarchy (version 2) only."""
    return container.exists("/sys/fs/cgroup/cgroup.controllers")


def configure_runtime(container: Container, cni_bin_dir: str, pause: str = "") -> None:
    """Configure and restart containerd: our CNI plugins in their folder, and the kubelet's cgroup driver.

    `pause` is the sandbox image, if not containerd's default.
    """
    values = {"cni_bin_dir": cni_bin_dir, "pause": pause, "systemd": str(uses_cgroup_v2(container))}
    container.write_file("/etc/containerd/config.toml", render("hosts/containerd.toml", values))
    container.run("systemctl", "restart", "containerd", timeout=60)
    journal = ("journalctl", "-u", "containerd", "-n", "20")
    container.wait_for(
        lambda: container.run("ctr", "version", check=False).exit_code == 0,
        "containerd to respond",
        diagnose=lambda: container.run(*journal, check=False).stdout,
    )


def kubelet_configuration(container: Container) -> Mapping[str, Any]:
    """Return a KubeletConfiguration that works in a container on this machine.

    A full disk or swap of the machine that runs it is not the packages' fault. cgroups of version 1 need
    more settings (https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/).
    """
    common = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": dict.fromkeys(("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"),
    }
    if uses_cgroup_v2(container):
        return {**common, "cgroupDriver": "systemd"}
    cgroup_v1 = {"cgroupDriver": "cgroupfs", "cgroupRoot": "/kubelet", "failCgroupV1": False}
    return {**common, **cgroup_v1}


def kubeadm_configuration(container: Container, *documents: Mapping[str, Any]) -> str:
    """Return a file for `kubeadm --config`: the documents, and a KubeletConfiguration.

    A KubeletConfiguration among the documents adds to the one that this machine needs.
    """
    kubelet = dict(kubelet_configuration(container))
    others = []
    for document in documents:
        if document["kind"] == kubelet["kind"]:
            kubelet.update(document)
        else:
            others.append(document)
    return yaml.safe_dump_all([*others, kubelet], sort_keys=False)
