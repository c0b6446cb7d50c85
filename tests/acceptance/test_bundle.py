"""A bundle of the real packages becomes nodes in containers without any network, by the commands of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.catalog import load_hosts
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.session import Session
from tests.acceptance.conftest import Site
from tests.acceptance.engines import require_programs
from tests.support.checkout import ROOT

PAGE = ROOT / "docs/how-to/install-without-a-network.md"
HOSTS = ("trixie", "trixie-dnf")
VERSIONS = {"kubelet": "1.36.3-1", "kubeadm": "1.36.3-1", "kubernetes-cni": "1.9.1-1", "cri-tools": "1.36.0-1"}

KUBEADM = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.0.0.1}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.3
"""


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
    capabilities = () if name == "trixie" else ("SYS_ADMIN",)  # rpm runs scriptlets in namespaces
    spec = ContainerSpec(ensure_image(session, host), "bundle", mounts={medium: "/media"}, capabilities=capabilities)
    with session.start_container(host, spec) as container:
        unpack, install = commands("Install on each host")
        container.run_script(f"cd /srv; {unpack}")
        text = container.run_script(f"cd /srv; {install} --host {name}", timeout=300).stdout
        assert "files and their signature" in text
        assert {f"           {package} {version}" for package, version in VERSIONS.items()} <= set(text.splitlines())
        assert container.run("kubelet", "--version").stdout == "Kubernetes v1.36.3\n"
        assert container.run("crictl", "--version").stdout == "crictl version 1.36.0\n"
        if name == "trixie":  # elsewhere, rpms stand in for the programs that kubeadm looks for
            container.write_file("/srv/kubeadm.yaml", KUBEADM)
            argv = ("kubeadm", "init", "phase", "preflight", "--config=/srv/kubeadm.yaml")
            preflight = container.run(*argv, check=False)
            assert "[ERROR CRI]" in preflight.stderr  # containerd needs systemd to be started
            assert "not found in system path" not in preflight.stdout + preflight.stderr
        again = container.run_script(f"cd /srv; {install} --host {name} --keep-repository", timeout=300).stdout
        assert "Repository /etc/" in again
        files = container.run_script("ls /etc/apt/sources.list.d /etc/yum.repos.d 2>/dev/null || :").stdout
        assert "kubernetes-bundle" in files
