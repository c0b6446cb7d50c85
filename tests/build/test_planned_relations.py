"""Dependencies and other relations of the packages for each Kubernetes version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.model import Arch, Format, Version
from tests.build.plans import PACKAGES, plan
from tests.support.fake_sources import locked

HOST_TOOLS = {
    "deb": "conntrack ebtables ethtool iproute2 mount socat util-linux",
    "rpm": "conntrack-tools ebtables ethtool iproute socat util-linux",
}
OLD_IPTABLES = "iptables (>= 1.4.21)"
NEW_IPTABLES = "recommends iptables (>= 1.8.4)"


def without_conflicts(relations: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the relations without those to packages of distributions."""
    return [relation for relation in relations if relation[0] not in ("conflicts", "replaces")]


def kubelet(cni: str, iptables: str, deb: str, rpm: str) -> Mapping[str, list[str]]:
    """Return the kubelet's relations in both formats; dependencies are separated by spaces."""
    common = [f"kubernetes-cni (>= {cni})", iptables]
    return {"deb": [*common, *deb.split()], "rpm": [*common, *rpm.split()]}


KUBELET = {
    "1.11.0": kubelet(
        *("0.6.0", OLD_IPTABLES),
        "ebtables ethtool iproute2 mount socat util-linux",
        "ebtables ethtool iproute socat util-linux",
    ),
    "1.12.0": kubelet(
        *("0.8.7", OLD_IPTABLES),
        "ebtables ethtool iproute2 mount socat util-linux",
        "ebtables ethtool iproute socat util-linux",
    ),
    "1.19.0": kubelet("0.8.7", OLD_IPTABLES, **HOST_TOOLS),
    "1.25.0": kubelet("0.8.7", OLD_IPTABLES, **HOST_TOOLS),
    "1.25.1": kubelet("1.1.1", OLD_IPTABLES, **HOST_TOOLS),
    "1.27.0": kubelet("1.1.1", OLD_IPTABLES, **HOST_TOOLS),
    "1.28.0": kubelet("1.2.0", OLD_IPTABLES, **HOST_TOOLS),
    "1.29.0": kubelet("1.2.0", OLD_IPTABLES, **HOST_TOOLS),
    "1.30.0": kubelet("1.2.0", OLD_IPTABLES, **HOST_TOOLS),
    "1.31.0": kubelet("1.2.0", OLD_IPTABLES, **HOST_TOOLS),
    "1.32.0": kubelet(
        *("1.2.0", OLD_IPTABLES),
        "conntrack ethtool iproute2 mount util-linux",
        "conntrack-tools ethtool iproute util-linux",
    ),
    "1.34.2": kubelet("1.2.0", OLD_IPTABLES, "mount util-linux", "util-linux"),
    "1.36.3": kubelet("1.2.0", OLD_IPTABLES, "mount util-linux", "util-linux"),
    "1.36.5": kubelet("1.2.0", NEW_IPTABLES, "mount util-linux", "util-linux"),
    "1.37.0-rc.1": kubelet("1.2.0", NEW_IPTABLES, "mount util-linux", "util-linux"),
}


@pytest.mark.parametrize("format_", ["deb", "rpm"])
@pytest.mark.parametrize("version", KUBELET)
def test_kubelet_has_the_relations_of_its_version(workdir, version, format_):
    relations = without_conflicts(plan(version)["kubelet", format_].relations)
    actual = [other if name == "depends" else f"{name} {other}" for name, other in relations]
    assert sorted(actual) == sorted(KUBELET[version][format_])


KUBEADM = {
    "1.11.0": "kubelet (>= 1.6.0), kubelet (<< 1.12~), kubectl (>= 1.6.0), kubectl (<< 1.13~), "
    "kubernetes-cni (>= 0.6.0), cri-tools (>= 1.11.0)",
    "1.12.0": "kubelet (>= 1.6.0), kubelet (<< 1.13~), kubectl (>= 1.6.0), kubectl (<< 1.14~), "
    "kubernetes-cni (>= 0.8.7), cri-tools (>= 1.11.0)",
    "1.19.0": "kubelet (>= 1.13.0), kubelet (<< 1.20~), kubectl (>= 1.13.0), kubectl (<< 1.21~), "
    "kubernetes-cni (>= 0.8.7), cri-tools (>= 1.13.0)",
    "1.25.1": "kubelet (>= 1.19.0), kubelet (<< 1.26~), kubectl (>= 1.19.0), kubectl (<< 1.27~), "
    "kubernetes-cni (>= 1.1.1), cri-tools (>= 1.25.0)",
    "1.27.0": "kubelet (>= 1.19.0), kubelet (<< 1.28~), kubectl (>= 1.19.0), kubectl (<< 1.29~), "
    "kubernetes-cni (>= 1.1.1), cri-tools (>= 1.25.0)",
    "1.28.0": "kubelet (>= 1.19.0), kubelet (<< 1.29~), kubectl (>= 1.19.0), kubectl (<< 1.30~), "
    "kubernetes-cni (>= 1.2.0), cri-tools (>= 1.28.0)",
    "1.29.0": "kubelet (>= 1.19.0), kubelet (<< 1.30~), kubectl (>= 1.19.0), kubectl (<< 1.31~), "
    "kubernetes-cni (>= 1.2.0), cri-tools (>= 1.28.0)",
    "1.30.0": "cri-tools (>= 1.30.0)",
    "1.31.0": "cri-tools (>= 1.30.0)",
    "1.32.0": "",
    "1.34.2": "",
    "1.36.3": "",
    "1.36.5": "",
    "1.37.0-rc.1": "",
}


@pytest.mark.parametrize("format_", ["deb", "rpm"])
@pytest.mark.parametrize("version", KUBEADM)
def test_kubeadm_has_the_dependencies_of_its_version(workdir, version, format_):
    relations = without_conflicts(plan(version)["kubeadm", format_].relations)
    assert {name for name, _ in relations} <= {"depends"}
    assert sorted(other for _, other in relations) == sorted(filter(None, KUBEADM[version].split(", ")))


@pytest.mark.parametrize("package", ["kubectl", "kubernetes-cni", "cri-tools"])
@pytest.mark.parametrize("version", ["1.11.0", "1.28.0", "1.36.3"])
def test_other_packages_have_no_dependencies(workdir, package, version):
    assert without_conflicts(plan(version)[package, "deb"].relations) == []
    assert without_conflicts(plan(version)[package, "rpm"].relations) == []


CONFLICTS = {
    ("kubectl", "deb"): ["conflicts kubernetes-client (<< 1.31.4~)", "replaces kubernetes-client (<< 1.31.4~)"],
    ("kubectl", "rpm"): [
        "conflicts kubernetes-client",
        "conflicts kubernetes-client-bash-completion",
        "conflicts kubernetes-client-fish-completion",
        "conflicts kubernetes-client-provider",
        "conflicts oc",
    ],
    ("kubeadm", "rpm"): ["conflicts kubernetes-kubeadm", "conflicts kubernetes-kubeadm-provider"],
    ("kubelet", "rpm"): ["conflicts kubernetes-kubelet-common", "conflicts kubernetes-node"],
}
"""The packages of Debian, Fedora and openSUSE that own our paths under another name."""


@pytest.mark.parametrize("layout", ["etc", "official"])
@pytest.mark.parametrize("version", ["1.11.0", "1.36.3"])
def test_packages_conflict_with_distribution_packages_that_own_their_paths(workdir, version, layout):
    conflicts = {
        package: sorted(f"{kind} {other}" for kind, other in planned.relations if kind in ("conflicts", "replaces"))
        for package, planned in plan(version, layout=layout).items()
    }
    assert {package: names for package, names in conflicts.items() if names} == CONFLICTS


def test_user_package_conflicts_with_the_owner_of_its_path(workdir):
    (workdir / "kubeparcel.yaml").write_text("""
packages:
  kube-proxy:
    version: 1.0.0
    arch: all
    summary: Our wrapper
    files: [{path: /usr/bin/kube-proxy, text: x, mode: 0755}]
""")
    packages = plan("1.36.3")
    assert packages["kube-proxy", "deb"].relations == ()
    assert packages["kube-proxy", "rpm"].relations == (
        ("conflicts", "kubernetes-master"),
        ("conflicts", "kubernetes-proxy-provider"),
    )


def test_package_does_not_conflict_with_another_one_of_the_build(workdir):
    (workdir / "kubeparcel.yaml").write_text("""
packages:
  kubernetes-client:
    version: 2.0.0
    arch: all
    summary: A transitional package
    files: [{path: /usr/share/doc/kubernetes-client/README, text: Install kubectl.}]
""")
    assert plan("1.36.3")["kubectl", "deb"].relations == ()


def test_every_distribution_package_has_the_address_of_its_source():
    for row in catalog.load().distribution_packages:
        assert row.source.startswith("https://")
        assert row.paths
        assert row.formats


@pytest.mark.parametrize("minor", range(11, 41))
def test_every_minor_can_be_planned_without_exact_dependencies(workdir, minor):
    arches = tuple(Arch)
    settings = load_settings({"arch": ",".join(arches)})
    for patch in ("0-alpha.1", "0", "1", "17"):
        packages = plan_packages(settings, locked(f"1.{minor}.{patch}", arches=arches), catalog.load())
        assert len(packages) == len(PACKAGES) * len(Format) * len(Arch)
        others = [other for package in packages for _, other in package.relations]
        assert not [other for other in others if "(= " in other]
        assert not [other for other in others if "{" in other]


@pytest.mark.parametrize("minor", range(11, 41))
def test_default_cni_satisfies_the_dependencies_of_its_kubernetes(workdir, minor):
    """Otherwise the packages of one build could not be installed."""
    for patch in ("0", "1", "17"):
        packages = plan(f"1.{minor}.{patch}")
        kubernetes = locked(f"1.{minor}.{patch}").component("kubernetes").version
        pairs = catalog.load().components["cni"].pairs
        (default,) = [pair.version for pair in pairs if pair.kubernetes.contains(kubernetes)]
        relations = (*packages["kubelet", "deb"].relations, *packages["kubeadm", "deb"].relations)
        bounds = [other.partition(" (>= ")[2][:-1] for _, other in relations if "-cni" in other]
        assert bounds
        assert Version.parse(default) >= max(map(Version.parse, bounds))
