"""Selecting hosts by name or by default, and why others are unavailable."""

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
UNREACHABLE = ImageLocations(registry="registry.invalid")


@dataclass
class Engine:
    """A fake engine with some images."""

    image_names: set[str] = field(default_factory=set)
    name: str = "podman"
    version: str = "4.3.1"

    def has_image(self, image: str) -> bool:
        return image in self.image_names


@pytest.fixture
def mmdebstrap(monkeypatch):
    """Set whether mmdebstrap is installed."""

    def set_installed(is_installed: bool) -> None:
        programs = {"mmdebstrap": "/usr/bin/mmdebstrap"} if is_installed else {}
        monkeypatch.setattr(selection.shutil, "which", programs.get)

    selection.is_reachable.cache_clear()
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    return set_installed


def test_without_names_the_first_available_host_of_each_format_is_selected(mmdebstrap):
    mmdebstrap(True)
    names = [host.name for host in selection.select_hosts((), "cluster", BOTH, Engine(), UNREACHABLE)]
    assert names == ["trixie", "trixie-dnf"]
    (host,) = selection.select_hosts((), "install", [Format.RPM], Engine(), UNREACHABLE)
    assert host.name == "trixie-dnf"


def test_a_host_whose_image_exists_is_available(mmdebstrap):
    mmdebstrap(False)
    debian = catalog.load_hosts().get("debian-13")
    image = ImageSpec.for_host(debian, Purpose.INSTALL, UNREACHABLE).name
    (host,) = selection.select_hosts((), "install", BOTH, Engine({image}), UNREACHABLE)
    assert host is debian


def test_the_error_without_any_host_has_each_hosts_reason(mmdebstrap):
    mmdebstrap(False)
    with pytest.raises(EngineUnavailable) as raised:
        selection.select_hosts((), "install", BOTH, Engine(), UNREACHABLE)
    assert "trixie: mmdebstrap is not installed" in raised.value.message
    assert "debian-13: registry.invalid is unreachable" in raised.value.message
    assert "Install mmdebstrap (apt install mmdebstrap), or name a reachable registry" in raised.value.hint


def test_an_unknown_host_is_a_usage_error_that_lists_the_known_ones(mmdebstrap):
    with pytest.raises(UsageError, match=r"Unknown host 'buster'(?s:.*)trixie-dnf"):
        selection.select_hosts(("trixie", "buster"), "install", BOTH, Engine(), UNREACHABLE)


def test_a_host_without_the_level_is_a_usage_error_that_lists_suitable_hosts(mmdebstrap):
    with pytest.raises(UsageError) as raised:
        selection.select_hosts(("rocky-9",), "cluster", BOTH, Engine(), UNREACHABLE)
    assert raised.value.message == "The host rocky-9 does not support the level cluster, only install."
    assert "trixie-dnf" in raised.value.hint
    assert "rocky" not in raised.value.hint


def test_a_host_from_a_reachable_registry_is_available(mmdebstrap):
    with socket.create_server(("127.0.0.1", 0)) as server:
        locations = ImageLocations(registry=f"127.0.0.1:{server.getsockname()[1]}")
        assert selection.unavailable_reason(catalog.load_hosts().get("fedora"), Engine(), locations) == ""


def test_the_list_has_each_hosts_levels_and_why_it_is_unavailable(mmdebstrap, monkeypatch):
    mmdebstrap(False)
    monkeypatch.setattr(selection, "select_engine", lambda _: Engine())
    availability = selection.host_availability(locations=UNREACHABLE)
    hosts = {host["name"]: host for host in json.loads(availability.as_json())["hosts"]}
    assert set(hosts) == set(catalog.load_hosts().hosts)
    assert hosts["trixie"]["unavailable_reason"] == "mmdebstrap is not installed"
    assert hosts["rocky-9"]["levels"] == ["install"]
    text = availability.as_text(everything=True)
    assert "trixie*" in text
    assert "\nmmdebstrap is not installed: bookworm, trixie" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_list_hides_unavailable_hosts_and_counts_them(mmdebstrap, monkeypatch):
    monkeypatch.setattr(selection, "select_engine", lambda _: Engine())
    text = selection.host_availability(locations=UNREACHABLE).as_text()
    assert "trixie*" in text
    assert "rocky-9" not in text
    assert "12 hosts unavailable here (registry.invalid is unreachable)" in text
    assert "inv hosts --all lists them" in text


def test_without_an_engine_all_hosts_are_listed_as_unavailable(monkeypatch):
    def none(_: str) -> None:
        raise EngineUnavailable("No container engine can be used.\n  podman: is not installed.")

    monkeypatch.setattr(selection, "select_engine", none)
    availability = selection.host_availability(locations=UNREACHABLE)
    assert set(availability.unavailable_reasons.values()) == {"no usable container engine"}
    text = availability.as_text()
    assert "engine: none\nNo container engine can be used.\n  podman: is not installed." in text
