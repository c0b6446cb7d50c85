"""A cluster of patched packages has the control plane of upstream's release, and nodes with the patched version."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from kubeparcel.model import Version
from kubeparcel.verify.cluster import actions, assertions, upgrade
from kubeparcel.verify.cluster.machines import Cluster

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
    session: Any = None
    machines: Any = (FakeMachine(), FakeMachine())
    return Cluster(session, *machines, RELEASE, None)


def test_images_and_configuration_name_upstreams_release(cluster):
    cluster.images(RELEASE)
    list(actions.kubeadm_init(cluster))
    list(upgrade.kubeadm_upgrade_apply(cluster))
    machine: Any = cluster.control_plane
    assert "--kubernetes-version=v1.36.3" in machine.commands[0]
    assert len(machine.files) == 2
    assert "acme" not in "".join(machine.files.values())
    assert "v1.36.3" in machine.files[actions.INIT_CONFIG]


def test_api_server_of_the_release_is_the_expected_one(cluster):
    assert list(upgrade.control_plane_is_upgraded(cluster)) == []
