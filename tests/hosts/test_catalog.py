"""The table of hosts says what each proves, and which are taken first."""

from __future__ import annotations

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.base_images import Definition
from kubeparcel.hosts.catalog import Purpose
from kubeparcel.hosts.image_locations import Places
from kubeparcel.model import Format

HOSTS = catalog.load()


@pytest.mark.parametrize("name", HOSTS.hosts)
def test_every_host_has_one_origin_and_a_definition(name):
    host = HOSTS.pick(name)
    assert bool(host.suite) != bool(host.image)
    for purpose in Purpose:
        definition = Definition.of(host, purpose, Places())
        assert definition.origin in {host.suite, host.image}
        assert set(host.family.packages) - set(host.without) <= set(host.packages(purpose))


def test_an_unknown_host_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match=r"(?s)--on trixi:.*trixie-dnf"):
        HOSTS.pick("trixi")


def test_the_default_host_is_the_first_possible_one_that_has_the_level():
    assert HOSTS.first(Format.DEB, "install", HOSTS.hosts).name == "trixie"
    assert HOSTS.first(Format.RPM, "install", ["rocky-9", "fedora"]).name == "rocky-9"
    assert HOSTS.first(Format.RPM, "cluster", ["rocky-9", "fedora"]).name == "fedora"
    assert HOSTS.first(Format.RPM, "install", []) is None


def test_an_image_is_named_by_all_that_defines_it():
    trixie = HOSTS.pick("trixie")
    names = {
        Definition.of(trixie, Purpose.INSTALL, Places()).name,
        Definition.of(trixie, Purpose.NODE, Places()).name,
        Definition.of(HOSTS.pick("bookworm"), Purpose.INSTALL, Places()).name,
        Definition.of(HOSTS.pick("debian-13"), Purpose.INSTALL, Places()).name,
        Definition.of(HOSTS.pick("debian-13"), Purpose.INSTALL, Places("mirror.lan")).name,
    }
    assert len(names) == 5
    assert all(name.startswith("localhost/kubeparcel/") for name in names)


def test_a_registry_of_the_sites_own_stands_for_all_others():
    debian = HOSTS.pick("debian-13")
    assert Places().image(debian) == "docker.io/library/debian:13"
    assert Places("mirror.lan:5000/hub").image(debian) == "mirror.lan:5000/hub/library/debian:13"
    assert Places("mirror.lan", images={"debian-13": "a/b:c"}).image(debian) == "a/b:c"


def test_places_are_read_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBEPARCEL_REGISTRY", "mirror.lan/")
    monkeypatch.setenv("KUBEPARCEL_IMAGES", "rocky-9=mirror.lan/rocky:9, fedora=mirror.lan/fedora")
    monkeypatch.delenv("KUBEPARCEL_DEBIAN", raising=False)
    places = Places.of_machine(tmp_path)
    assert places.registry == "mirror.lan"
    assert places.images == {"rocky-9": "mirror.lan/rocky:9", "fedora": "mirror.lan/fedora"}
    assert places.debian == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", "deb [signed-by=/k] http://a.lan/debian trixie main\n"),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://a.lan/debian/\n\nTypes: deb\nURIs: http://a.lan/debian-security",
        ),
    ],
)
def test_a_debian_machine_makes_hosts_from_its_own_archive(tmp_path, monkeypatch, name, text):
    monkeypatch.delenv("KUBEPARCEL_DEBIAN", raising=False)
    file = tmp_path / "etc/apt" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    (tmp_path / "etc/os-release").write_text("NAME=Debian\nID=debian\n")
    assert Places.of_machine(tmp_path).debian == "http://a.lan/debian"
    (tmp_path / "etc/os-release").write_text("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n")
    assert Places.of_machine(tmp_path).debian == ""
