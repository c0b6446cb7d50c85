"""Each client adds the repository as its page says, installs, holds, and upgrades packages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from kubeparcel.hosts.container import Container
from tests.acceptance.clients.conftest import Containers, each
from tests.acceptance.clients.page import commands
from tests.acceptance.clients.table import CLIENTS
from tests.acceptance.clients.terminal import type_commands
from tests.acceptance.conftest import Site
from tests.support.web_server import WebServer

FIVE = ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")
FIRST = {
    **dict.fromkeys(("kubeadm", "kubelet", "kubectl"), "1.36.3-1"),
    "kubernetes-cni": "1.9.1-1",
    "cri-tools": "1.36.0-1",
}
SECOND = {name: version.replace("-1", "-2") for name, version in FIRST.items()}
TRUST = {
    "apt": r"(?s)Types: deb.*Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----",
    "dnf": r"(?s)gpgcheck=1\nrepo_gpgcheck=1\ngpgkey=http",
    "zypper": r"(?s)gpgcheck=1.*repo_gpgcheck=1",
}
FILES = {"apt": "/etc/apt/sources.list.d", "dnf": "/etc/yum.repos.d", "zypper": "/etc/zypp/repos.d"}


@pytest.fixture(scope="module")
def repo(real: Site, config: Path, web: WebServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ten real packages, published by the program and served."""
    folder = tmp_path_factory.mktemp("published") / "repo"
    own = {"KUBEPARCEL_CONFIG": str(config)}
    real.run("publish", "--to", str(folder), "--address", web.address, **own)
    web.root = folder
    return folder


@pytest.fixture(scope="module")
def transcripts(containers: Containers, repo: Path) -> Mapping[str, str]:
    """What each terminal showed when the page's commands were typed on the client's host."""
    html = (repo / "index.html").read_text()
    return each(
        containers, lambda container: type_commands(container, commands(html, CLIENTS[container.host.name].heading))
    )


@pytest.fixture(scope="module")
def newer(real: Site, repo: Path, config: Path, transcripts, tmp_path_factory) -> Path:
    """The same repository with a second revision of all packages, after every client installed the first."""
    again = Site(tmp_path_factory.mktemp("again"), {**real.env, "KUBEPARCEL_CONFIG": str(config)})
    shutil.copy(real.folder / "kubeparcel.lock", again.folder)
    build = ("build", "--kubernetes", "1.36.3", "--source", "go", "--revision", "2")
    again.run(*build, "--compression", "fast", "--no-sbom")
    again.run("publish", "--to", str(repo))
    return repo


def installed_versions(container: Container) -> dict[str, str]:
    """Return the installed versions of the five packages."""
    manager = CLIENTS[container.host.name].manager
    rows = container.run(*manager.argv(manager.list_installed, FIVE), check=False).stdout.splitlines()
    cells = [row.split("\t") for row in rows if row.startswith(FIVE)]
    return {row[0]: row[1] for row in cells if len(row) > 1 and row[-1] != "un "}


@pytest.mark.parametrize("name", CLIENTS)
def test_commands_of_the_page_install_signed_packages(name, containers, transcripts):
    container, manager = containers[name], CLIENTS[name].manager
    configuration = container.run_script('cat "$1"/kubernetes*', FILES[manager.name]).stdout
    assert re.search(TRUST[manager.name], configuration), configuration
    container.run(*manager.argv(manager.install, ["cri-tools"]), timeout=120)
    assert installed_versions(container) == FIRST, transcripts[name]
    assert container.run("kubelet", "--version").stdout == "Kubernetes v1.36.3\n"
    assert container.run("crictl", "--version").stdout == "crictl version 1.36.0\n"
    assert container.exists("/opt/cni/bin/bridge")


def test_current_versions_of_apt_verify_signatures_with_sequoia(containers, transcripts):
    checkers = {n: container.run("sh", "-c", "command -v sqv || :").stdout for n, container in containers.items()}
    assert {n for n, path in checkers.items() if path} >= {"trixie", "sid"}
    assert not checkers["bookworm"]


@pytest.mark.parametrize("name", CLIENTS)
def test_held_packages_stay_and_released_ones_upgrade(name, containers, newer):
    container, client = containers[name], CLIENTS[name]
    manager = client.manager
    container.run(*manager.argv(manager.install, ["cri-tools"]), timeout=120)
    held = ["kubeadm", "kubelet", "kubectl"]
    container.run(*manager.argv(client.refresh), timeout=120)
    container.run_script(client.hold.format(names=" ".join(held)))
    container.run(*manager.argv(manager.upgrade), timeout=300)
    assert installed_versions(container) == {**SECOND, **{n: FIRST[n] for n in held}}
    container.run_script(client.release.format(names=" ".join(held)))
    container.run(*manager.argv(manager.upgrade), timeout=300)
    assert installed_versions(container) == SECOND


@pytest.mark.parametrize("name", CLIENTS)
def test_downgraded_package_can_be_pinned(name, containers, newer):
    container, client = containers[name], CLIENTS[name]
    manager = client.manager
    container.run(*manager.argv(manager.upgrade), timeout=300)
    old = manager.at_versions({"kubectl": FIRST["kubectl"]})
    container.run(*manager.argv(manager.downgrade, old), timeout=120)
    container.run_script(client.pin.format(names="kubectl", version="1.36.3"))
    container.run(*manager.argv(manager.upgrade), timeout=120)
    assert installed_versions(container) == {**SECOND, "kubectl": FIRST["kubectl"]}
