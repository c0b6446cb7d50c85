"""The real packages, installed by dpkg and by rpm into new containers and run there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from kubeparcel.hosts import catalog
from kubeparcel.hosts.base_images import HOME, ensure_image
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.package_managers import MANAGERS
from kubeparcel.hosts.session import Session
from kubeparcel.packages import nfpm
from kubeparcel.templates import render
from tests.acceptance.conftest import Site

PLUGINS = {
    *("bandwidth", "bridge", "dhcp", "dummy", "firewall", "host-device", "host-local", "ipvlan"),
    *("loopback", "macvlan", "portmap", "ptp", "sbr", "static", "tap", "tuning", "vlan", "vrf"),
}
OTHER_KUBECTL = {"src": "/bin/true", "dst": "/usr/bin/kubectl", "file_info": {"mode": 0o755}}
PLACEHOLDERS = f"rpm --install {HOME}/pool/iptables-*.rpm {HOME}/pool/util-linux-*.rpm"
ALL_PATHS = r"""
find / -xdev -path /var/lib/dpkg -prune -o -path /var/lib/rpm -prune -o -path /usr/lib/sysimage -prune -o \
    -path /var/log -prune -o -path /tmp -prune -o -path /run -prune -o -path /opt -o -print
"""
"""Lists all but the package managers' databases and logs.

Also all but /opt: no Debian package owns it, so dpkg removes it when it is empty.
"""
Start = Callable[[str], Container]


@pytest.fixture
def start(real: Site, session: Session, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a container; it has the packages in /dist, and the test's own in /own."""
    (tmp_path / "own").mkdir()
    mounts = {real.folder / "dist": "/dist", tmp_path / "own": "/own"}
    with ExitStack() as stack:

        def start_container(name: str) -> Container:
            host = catalog.load_hosts().get(name)
            spec = ContainerSpec(ensure_image(session, host), "packages", mounts=mounts, capabilities=("SYS_ADMIN",))
            return stack.enter_context(session.start_container(host, spec))

        yield start_container


@pytest.fixture
def deb_host(start: Start) -> Container:
    """Debian with the dependencies of the kubelet."""
    host = start("bookworm")
    manager = MANAGERS[host.host.family.package_manager]
    host.run_script(render(manager.repository_script, {}), timeout=120)
    host.run(*manager.argv(manager.install, ["iptables"]), timeout=120)
    return host


@pytest.fixture
def rpm_host(start: Start) -> Container:
    """Debian with rpm, and placeholders for the dependencies of the kubelet."""
    host = start("trixie-dnf")
    host.run_script(PLACEHOLDERS)
    return host


def assert_versions(host: Container) -> None:
    """Assert that every binary prints the version of its package."""
    assert host.run("kubeadm", "version", "-o", "short").stdout.strip() == "v1.36.3"
    assert host.run("kubelet", "--version").stdout.strip() == "Kubernetes v1.36.3"
    assert "Client Version: v1.36.3\n" in host.run("kubectl", "version", "--client").stdout
    assert host.run("crictl", "--version").stdout.strip() == "crictl version 1.36.0"
    assert set(host.run("ls", "/opt/cni/bin").stdout.split()) == PLUGINS
    for name in PLUGINS:
        output = host.run(f"/opt/cni/bin/{name}", env={"CNI_COMMAND": ""}, check=False)
        assert "v1.9.1" in output.stdout + output.stderr


def all_paths(host: Container) -> set[str]:
    return set(host.run_script(ALL_PATHS).stdout.splitlines())


def test_debs_are_installed_by_dpkg_and_every_binary_runs(deb_host: Container) -> None:
    deb_host.run_script("dpkg --install /dist/deb/*.deb")
    assert_versions(deb_host)
    assert deb_host.run("dpkg", "--verify", "kubeadm", "kubelet", "kubernetes-cni").stdout == ""


def test_purging_the_debs_restores_the_root(deb_host: Container) -> None:
    before = all_paths(deb_host)
    deb_host.run_script("dpkg --install /dist/deb/*.deb")
    assert before < all_paths(deb_host)
    deb_host.run("dpkg", "--purge", "kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")
    assert all_paths(deb_host) == before


def test_rpms_are_installed_by_rpm_and_every_binary_runs(rpm_host: Container) -> None:
    rpm_host.run_script("rpm --install /dist/rpm/*.rpm")
    assert_versions(rpm_host)
    assert rpm_host.run("rpm", "--verify", "kubeadm", "kubelet", "kubernetes-cni").stdout == ""


def test_erasing_the_rpms_restores_the_root(rpm_host: Container) -> None:
    before = all_paths(rpm_host)
    rpm_host.run_script("rpm --install /dist/rpm/*.rpm")
    assert before < all_paths(rpm_host)
    rpm_host.run("rpm", "--erase", "kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")
    assert all_paths(rpm_host) == before


def test_rpm_refuses_the_kubelet_without_its_dependencies(start: Start) -> None:
    failed = start("trixie-dnf").run("sh", "-c", "rpm --install /dist/rpm/kubelet-*.rpm", check=False)
    assert failed.exit_code != 0
    for requirement in ("iptables >= 1.4.21", "kubernetes-cni >= 1.2.0", "util-linux"):
        assert requirement in failed.stderr


def test_apt_exchanges_debians_kubectl(start: Start, tmp_path: Path) -> None:
    old = build_package(tmp_path, "deb", name="kubernetes-client", version="1.20.5")
    host = start("bookworm")
    host.run("dpkg", "--install", old)
    host.run_script("apt-get --yes --option APT::Sandbox::User=root install /dist/deb/kubectl_*.deb")
    installed = host.run("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Abbrev}\n").stdout
    assert "kubectl ii" in installed
    assert "kubernetes-client ii" not in installed
    assert host.run("dpkg", "--verify", "kubectl").stdout == ""


def test_rpm_reports_the_conflict_with_fedoras_kubectl(rpm_host: Container, tmp_path: Path) -> None:
    fedora = {"name": "kubernetes1.36-client", "version": "1.36.1", "provides": ["kubernetes-client"]}
    rpm_host.run("rpm", "--install", build_package(tmp_path, "rpm", **fedora))
    failed = rpm_host.run("sh", "-c", "rpm --install /dist/rpm/kubectl-*.rpm", check=False)
    assert "kubernetes-client conflicts with kubectl" in failed.stderr


def build_package(folder: Path, kind: str, **fields: object) -> str:
    """Build another distribution's package of kubectl; return its path in containers."""
    config = folder / "nfpm.yaml"
    common = {"arch": "amd64", "maintainer": "host <host@host.invalid>", "description": "A stand-in"}
    config.write_text(yaml.safe_dump({**common, "contents": [OTHER_KUBECTL], **fields}))
    target = folder / f"own/old.{kind}"
    command = [nfpm.program(), "package", "--config", config, "--packager", kind, "--target", target]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return f"/own/old.{kind}"
