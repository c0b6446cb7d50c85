"""A bundle of the real packages becomes nodes in containers without any network, by the commands of the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.catalog import load_hosts
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.session import Session
from kubeparcel.hosts.systemd_node import INIT, finish_boot
from kubeparcel.verify.cluster import documents
from kubeparcel.verify.node_setup import configure_runtime, kubeadm_configuration
from tests.acceptance.conftest import Site
from tests.acceptance.engines import require_programs
from tests.support.checkout import ROOT

PAGE = ROOT / "docs/how-to/install-without-a-network.md"
HOSTS = ("trixie", "trixie-dnf")
VERSIONS = {"kubelet": "1.36.3-1", "kubeadm": "1.36.3-1", "kubernetes-cni": "1.9.1-1", "cri-tools": "1.36.0-1"}

CONTROL_PLANE = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}


def commands(heading: str) -> list[str]:
    """Return the commands in the first block of code below a heading of the page."""
    block = re.search(rf"^## {heading}\n.*?^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert block, heading
    return [line.partition("  #")[0].strip() for line in block[1].splitlines()]


@pytest.fixture(scope="module")
def medium(real: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's commands made and verified a bundle."""
    require_programs("mmdebstrap")
    config = tmp_path_factory.mktemp("c")
    make, verify = (line.removeprefix("./inv ").split() for line in commands("Make the bundle"))
    make = ["trixie,trixie-dnf" if word == "trixie,rocky-9" else word for word in make]
    real.run(*make, "--quiet", KUBEPARCEL_CONFIG=str(config))
    report = json.loads(real.run(*verify, "--json", KUBEPARCEL_CONFIG=str(config)).stdout)
    assert report["passed"]
    folder = tmp_path_factory.mktemp("medium")
    (real.folder / "k8s.tar").rename(folder / "k8s.tar")
    return folder


@pytest.mark.parametrize("name", HOSTS)
def test_commands_of_the_page_install_a_node_without_a_network(medium: Path, session: Session, name: str) -> None:
    host = load_hosts().get(name)
    spec = ContainerSpec(ensure_image(session, host), "bundle", hostname="n1", mounts={medium: "/media"})
    if name == "trixie":
        systemd = ("/lib/systemd/systemd", *INIT[1:])
        spec = replace(spec, command=systemd, systemd=True, volumes=("/var/lib/containerd", "/var/lib/etcd"))
    else:
        spec = replace(spec, capabilities=("SYS_ADMIN",))  # rpm runs scriptlets in namespaces
    with session.start_container(host, spec) as container:
        unpack, install = commands("Install on each host")
        container.run_script(f"cd /srv; {unpack}")
        text = container.run_script(f"cd /srv; {install} --host {name}", timeout=300).stdout
        assert "files and their signature" in text
        assert {f"           {package} {version}" for package, version in VERSIONS.items()} <= set(text.splitlines())
        assert container.run("kubelet", "--version").stdout == "Kubernetes v1.36.3\n"
        assert container.run("crictl", "--version").stdout == "crictl version 1.36.0\n"
        if name == "trixie":  # elsewhere, rpms stand in for programs
            assert "pause:3.10.2 is also registry.k8s.io/pause:3.8, which" in text
            create_control_plane(container)
        again = container.run_script(f"cd /srv; {install} --host {name} --keep-repository", timeout=300).stdout
        assert "Repository /etc/" in again
        files = container.run_script("ls /etc/apt/sources.list.d /etc/yum.repos.d 2>/dev/null || :").stdout
        assert "kubernetes-bundle" in files


def create_control_plane(node: Container) -> None:
    """Run the page's last step, with what a container on this machine needs instead of the page's settings."""
    finish_boot(node)
    configure_runtime(node, "/opt/cni/bin")
    node.run_script("ip link add eth0 type bridge; ip address add 10.0.0.1/24 dev eth0; ip link set eth0 up")
    node.run("ip", "route", "add", "default", "dev", "eth0")  # leads nowhere
    init, *others = documents.init("v1.36.3", "n1", "10.0.0.1")
    patient = {**init, "timeouts": {"kubernetesAPICall": "4m0s"}}
    node.write_file("/srv/init.yaml", kubeadm_configuration(node, patient, *others))
    node.run("kubeadm", "init", "--config=/srv/init.yaml", timeout=300)
    running = json.loads(node.run("crictl", "ps", "--output=json").stdout)["containers"]
    assert {container["metadata"]["name"] for container in running} == CONTROL_PLANE
    nodes = node.run("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "nodes", "--no-headers").stdout
    assert nodes.split()[0] == "n1"
