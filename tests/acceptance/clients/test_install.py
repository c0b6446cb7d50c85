"""Each client adds our repository as the page says, installs, stays, and upgrades."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from kubeparcel.hosts.container import Container
from tests.acceptance.clients.conftest import Boxes, each
from tests.acceptance.clients.page import commands
from tests.acceptance.clients.table import CLIENTS
from tests.acceptance.clients.typist import typed
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
def said(boxes: Boxes, repo: Path) -> Mapping[str, str]:
    """What each client said when the page's commands were typed on its host."""
    html = (repo / "index.html").read_text()
    return each(boxes, lambda box: typed(box, commands(html, CLIENTS[box.host.name].heading)))


@pytest.fixture(scope="module")
def newer(real: Site, repo: Path, config: Path, said, tmp_path_factory) -> Path:
    """The same repository after all have installed: with a second revision of everything."""
    again = Site(tmp_path_factory.mktemp("again"), {**real.env, "KUBEPARCEL_CONFIG": str(config)})
    shutil.copy(real.folder / "kubeparcel.lock", again.folder)
    again.run("build", "--kubernetes", "1.36.3", "--source", "go", "--revision", "2")
    again.run("publish", "--to", str(repo))
    return repo


def versions(box: Container) -> dict[str, str]:
    """What is installed of the five."""
    manager = CLIENTS[box.host.name].manager
    rows = box.run(*manager.argv(manager.list_installed, FIVE), check=False).stdout.splitlines()
    cells = [row.split("\t") for row in rows if row.startswith(FIVE)]
    return {row[0]: row[1] for row in cells if len(row) > 1 and row[-1] != "un "}


@pytest.mark.parametrize("name", CLIENTS)
def test_the_commands_of_the_page_install_signed_packages(name, boxes, said):
    box, manager = boxes[name], CLIENTS[name].manager
    found = box.run_script('cat "$1"/kubernetes*', FILES[manager.name]).stdout
    assert re.search(TRUST[manager.name], found), found
    box.run(*manager.argv(manager.install, ["cri-tools"]), timeout=120)
    assert versions(box) == FIRST, said[name]
    assert box.run("kubelet", "--version").stdout == "Kubernetes v1.36.3\n"
    assert box.run("crictl", "--version").stdout == "crictl version 1.36.0\n"
    assert box.exists("/opt/cni/bin/bridge")


def test_current_apts_check_signatures_with_sequoia(boxes, said):
    checkers = {n: box.run("sh", "-c", "command -v sqv || :").stdout for n, box in boxes.items()}
    assert {n for n, path in checkers.items() if path} >= {"trixie", "sid"}
    assert not checkers["bookworm"]


@pytest.mark.parametrize("name", CLIENTS)
def test_what_is_held_stays_and_what_is_let_go_upgrades(name, boxes, newer):
    box, client = boxes[name], CLIENTS[name]
    manager = client.manager
    box.run(*manager.argv(manager.install, ["cri-tools"]), timeout=120)
    held = ["kubeadm", "kubelet", "kubectl"]
    box.run(*manager.argv(client.refresh), timeout=120)
    box.run_script(client.hold.format(names=" ".join(held)))
    box.run(*manager.argv(manager.upgrade), timeout=300)
    assert versions(box) == {**SECOND, **{n: FIRST[n] for n in held}}
    box.run_script(client.release.format(names=" ".join(held)))
    box.run(*manager.argv(manager.upgrade), timeout=300)
    assert versions(box) == SECOND


@pytest.mark.parametrize("name", CLIENTS)
def test_who_goes_back_can_stay_at_that_version(name, boxes, newer):
    box, client = boxes[name], CLIENTS[name]
    manager = client.manager
    box.run(*manager.argv(manager.upgrade), timeout=300)
    old = manager.at_versions({"kubectl": FIRST["kubectl"]})
    box.run(*manager.argv(manager.downgrade, old), timeout=120)
    box.run_script(client.pin.format(names="kubectl", version="1.36.3"))
    box.run(*manager.argv(manager.upgrade), timeout=120)
    assert versions(box) == {**SECOND, "kubectl": FIRST["kubectl"]}
