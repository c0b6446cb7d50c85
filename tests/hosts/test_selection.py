"""Hosts are taken by name, or the first that this machine can make; what cannot be is explained."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog, selection
from kubeparcel.hosts.base_images import ImageSpec
from kubeparcel.hosts.catalog import Purpose
from kubeparcel.hosts.engine import EngineUnavailable
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.model import Format

BOTH = tuple(Format)
NOWHERE = ImageLocations(registry="registry.invalid")


@dataclass
class Engine:
    """Stands for an engine with some images."""

    there: set[str] = field(default_factory=set)
    name: str = "podman"
    version: str = "4.3.1"

    def has_image(self, image: str) -> bool:
        return image in self.there


@pytest.fixture
def maker(monkeypatch):
    """Say whether mmdebstrap is installed."""

    def installed(there: bool) -> None:
        found = {"mmdebstrap": "/usr/bin/mmdebstrap"} if there else {}
        monkeypatch.setattr(selection.shutil, "which", found.get)

    selection.is_reachable.cache_clear()
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return installed


def test_without_names_the_first_possible_host_of_each_format_is_taken(maker):
    maker(True)
    names = [host.name for host in selection.select_hosts((), "cluster", BOTH, Engine(), NOWHERE)]
    assert names == ["trixie", "trixie-dnf"]
    (host,) = selection.select_hosts((), "install", [Format.RPM], Engine(), NOWHERE)
    assert host.name == "trixie-dnf"


def test_a_host_whose_image_is_there_needs_nothing_else(maker):
    maker(False)
    debian = catalog.load_hosts().get("debian-13")
    image = ImageSpec.for_host(debian, Purpose.INSTALL, NOWHERE).name
    (host,) = selection.select_hosts((), "install", BOTH, Engine({image}), NOWHERE)
    assert host is debian


def test_where_no_host_can_be_made_each_ones_obstacle_is_named(maker):
    maker(False)
    with pytest.raises(EngineUnavailable) as raised:
        selection.select_hosts((), "install", BOTH, Engine(), NOWHERE)
    assert "trixie: mmdebstrap is not installed" in raised.value.message
    assert "debian-13: registry.invalid does not answer" in raised.value.message
    assert "Install mmdebstrap, or name a registry" in raised.value.hint


def test_an_unknown_name_is_wrong_usage_and_the_known_ones_are_listed(maker):
    with pytest.raises(UsageError, match=r"unknown host 'buster'(?s:.*)trixie-dnf"):
        selection.select_hosts(("trixie", "buster"), "install", BOTH, Engine(), NOWHERE)


def test_a_host_that_cannot_prove_the_level_is_refused_with_those_that_can(maker):
    with pytest.raises(UsageError) as raised:
        selection.select_hosts(("rocky-9",), "cluster", BOTH, Engine(), NOWHERE)
    assert raised.value.message.endswith("cannot be proved there, only install.")
    assert "trixie-dnf" in raised.value.hint
    assert "rocky" not in raised.value.hint


def test_a_registry_that_answers_is_no_obstacle(maker):
    with socket.create_server(("127.0.0.1", 0)) as server:
        places = ImageLocations(registry=f"127.0.0.1:{server.getsockname()[1]}")
        assert (
            selection.unavailable_reason(catalog.load_hosts().get("fedora"), Engine(), places) == ""
        )


def test_the_list_has_every_host_with_what_it_proves_and_why_not_here(maker, monkeypatch):
    maker(False)
    monkeypatch.setattr(selection, "select_engine", lambda _: Engine())
    found = selection.host_availability(locations=NOWHERE)
    rows = {row["name"]: row for row in json.loads(found.render(as_json=True))["hosts"]}
    assert set(rows) == set(catalog.load_hosts().hosts)
    assert rows["trixie"]["obstacle"] == "mmdebstrap is not installed"
    assert rows["rocky-9"]["levels"] == ["install"]
    text = found.render(as_json=False)
    assert "trixie*" in text
    assert text.endswith("engine: podman 4.3.1")


def test_without_an_engine_the_list_is_there_all_the_same(monkeypatch):
    def none(_: str) -> None:
        raise EngineUnavailable("No container engine can be used.\n  podman: is not installed.")

    monkeypatch.setattr(selection, "select_engine", none)
    found = selection.host_availability(locations=NOWHERE)
    assert set(found.unavailable_reasons.values()) == {"No container engine can be used."}
    assert found.render(as_json=False).endswith("engine: none")
