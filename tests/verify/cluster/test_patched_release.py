"""A cluster of patched packages has the control plane of upstream's release, and nodes with the patched version."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from kubeparcel.model import Version
from kubeparcel.templates import render
from kubeparcel.verify.cluster import actions, assertions, level
from kubeparcel.verify.cluster.machines import Cluster
from kubeparcel.verify.scenario import HostContext

RELEASE = Version.parse("1.36.3+acme.1")


class FakeMachine:
    """A machine that records commands and files."""

    name, address = "control-plane", "10.0.0.1"

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.files: dict[str, str] = {}
        self.context = self.container = self

    def run(self, *argv: str, **_: Any) -> SimpleNamespace:
        self.commands.append(argv)
        server = yaml.safe_dump({"serverVersion": {"gitVersion": "v1.36.3"}})
        return SimpleNamespace(stdout=server if "--output=yaml" in argv else "registry.k8s.io/pause:3.10")

    def run_successfully(self, *argv: str, **_: Any) -> list[object]:
        self.commands.append(argv)
        return []

    def write_file(self, path: str, text: str) -> None:
        self.files[path] = text


@pytest.fixture
def cluster(monkeypatch) -> Cluster:
    monkeypatch.setattr(assertions, "control_plane_runs", lambda _: [])
    monkeypatch.setattr(actions, "kubeadm_configuration", lambda _, *documents: yaml.safe_dump_all(documents))
    return Cluster(None, FakeMachine(), FakeMachine(), RELEASE, None)


def test_images_and_configuration_name_upstreams_release(cluster):
    cluster.images(RELEASE)
    list(actions.kubeadm_init(cluster))
    list(actions.kubeadm_upgrade("apply")(cluster))
    machine = cluster.control_plane
    assert "--kubernetes-version=v1.36.3" in machine.commands[0]
    assert len(machine.files) == 2
    assert "acme" not in "".join(machine.files.values())
    assert "v1.36.3" in machine.files[actions.INIT_CONFIG]


def test_api_server_of_the_release_is_the_expected_one(cluster):
    assert list(actions.control_plane_is_upgraded(cluster)) == []


@pytest.mark.parametrize(("old", "new"), [("1.36.3", "1.36.3+acme.1"), ("1.36.3+acme.9", "1.36.3+acme.10")])
def test_upgrade_to_a_patched_release_is_planned(old, new):
    """As semantic versions these are equal."""

    def sets(version: str) -> SimpleNamespace:
        kubeadm = SimpleNamespace(name="kubeadm", upstream_version=version)
        packages = SimpleNamespace(names=("kubeadm", "kubelet"), contents=[kubeadm])
        return SimpleNamespace(require=lambda _: packages, files=[packages])

    run = SimpleNamespace(session=None, packages=sets(new), previous=sets(old))
    planned = level._plan(run, [SimpleNamespace(name="trixie", format="deb")])
    assert {item.scenario.name: item.not_run for item in planned} == {"cluster": "", "upgrade": ""}


@pytest.mark.parametrize("manager", ["apt", "dnf", "zypper"])
def test_packages_that_both_folders_have_are_those_under_test(tmp_path, manager):
    """An upgrade to patched Kubernetes leaves cri-tools as they are."""
    for folder in ("pool", "current", "previous"):
        (tmp_path / folder).mkdir()
        for format_ in ("deb", "rpm"):
            (tmp_path / folder / f"cri-tools.{format_}").write_text(folder)
    script = render(f"hosts/repository-{manager}.sh", {}).replace("/var/lib/kubeparcel/", f"{tmp_path}/")
    script = script[: script.index("done\n") + 5]

    def run_script(_: str, *folders: str, **__: Any) -> None:
        subprocess.run(["sh", "-euc", script, "sh", *folders], check=True)

    context = SimpleNamespace(
        container=SimpleNamespace(run_script=run_script),
        package_manager=SimpleNamespace(repository_script=f"hosts/repository-{manager}.sh"),
    )
    HostContext.use_repositories(context, f"{tmp_path}/current", f"{tmp_path}/previous")
    (linked,) = (tmp_path / "repository").iterdir()
    assert linked.read_text() == "current"
