"""The requirements of a node, and the kubelet's configuration on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.model import Version
from kubeparcel.verify.node_setup import kubelet_configuration, require_node_packages

TRIXIE = catalog.load_hosts().get("trixie")
Sets = Mapping[str, PackageSet]


def test_require_node_packages_returns_the_release(package_sets):
    release = require_node_packages("service", TRIXIE, package_sets["etc"])
    assert release == Version(1, 36, 3)


def test_require_node_packages_names_the_missing_packages(package_sets):
    packages = package_sets["etc"]
    kubectl = tuple(package for package in packages.contents if package.name == "kubectl")
    with pytest.raises(UsageError, match="needs kubeadm and kubelet as deb"):
        require_node_packages("service", TRIXIE, replace(packages, contents=kubectl))


def test_require_node_packages_rejects_an_old_release_and_names_another_level(package_sets):
    packages = package_sets["etc"]
    old = tuple(
        replace(package, version="1.30.2") if package.name == "kubeadm" else package for package in packages.contents
    )
    with pytest.raises(UsageError, match=r"Kubernetes 1\.30\.2 is too old") as raised:
        require_node_packages("service", TRIXIE, replace(packages, contents=old))
    assert "--level install" in raised.value.hint


def configuration(cgroup_version: int) -> Mapping[str, Any]:
    """Return the kubelet's configuration on a machine with this version of cgroups."""

    def exists(path: str) -> bool:
        assert path == "/sys/fs/cgroup/cgroup.controllers"
        return cgroup_version == 2

    return kubelet_configuration(SimpleNamespace(exists=exists))


def test_with_cgroup_v2_the_kubelet_uses_the_systemd_driver():
    assert configuration(2)["cgroupDriver"] == "systemd"
    assert {"failCgroupV1", "cgroupRoot"}.isdisjoint(configuration(2))


def test_with_cgroup_v1_the_kubelet_is_allowed_to_start_and_has_its_own_root():
    assert configuration(1)["failCgroupV1"] is False
    assert (configuration(1)["cgroupDriver"], configuration(1)["cgroupRoot"]) == ("cgroupfs", "/kubelet")
