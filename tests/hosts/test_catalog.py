"""The table of hosts says what each proves, and which are taken first."""

from __future__ import annotations

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.base_images import ImageSpec
from kubeparcel.hosts.catalog import Purpose
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.model import Format

HOSTS = catalog.load_hosts()


@pytest.mark.parametrize("name", HOSTS.hosts)
def test_every_host_has_one_origin_and_a_definition(name):
    host = HOSTS.get(name)
    assert bool(host.suite) != bool(host.image)
    for purpose in Purpose:
        definition = ImageSpec.for_host(host, purpose, ImageLocations())
        assert definition.origin in {host.suite, host.image}
        assert set(host.family.packages) - set(host.excluded_packages) <= set(
            host.packages(purpose)
        )


def test_an_unknown_host_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match=r"(?s)unknown host 'trixi'.*trixie-dnf"):
        HOSTS.get("trixi")


def test_the_default_host_is_the_first_possible_one_that_has_the_level():
    assert HOSTS.default_host(Format.DEB, "install", HOSTS.hosts).name == "trixie"
    assert HOSTS.default_host(Format.RPM, "install", ["rocky-9", "fedora"]).name == "rocky-9"
    assert HOSTS.default_host(Format.RPM, "cluster", ["rocky-9", "fedora"]).name == "fedora"
    assert HOSTS.default_host(Format.RPM, "install", []) is None


def test_an_image_is_named_by_all_that_defines_it():
    trixie = HOSTS.get("trixie")
    names = {
        ImageSpec.for_host(trixie, Purpose.INSTALL, ImageLocations()).name,
        ImageSpec.for_host(trixie, Purpose.NODE, ImageLocations()).name,
        ImageSpec.for_host(HOSTS.get("bookworm"), Purpose.INSTALL, ImageLocations()).name,
        ImageSpec.for_host(HOSTS.get("debian-13"), Purpose.INSTALL, ImageLocations()).name,
        ImageSpec.for_host(
            HOSTS.get("debian-13"), Purpose.INSTALL, ImageLocations("mirror.lan")
        ).name,
    }
    assert len(names) == 5
    assert all(name.startswith("localhost/kubeparcel/") for name in names)


def test_a_registry_of_the_sites_own_stands_for_all_others():
    debian = HOSTS.get("debian-13")
    assert ImageLocations().base_image(debian) == "docker.io/library/debian:13"
    assert (
        ImageLocations("mirror.lan:5000/hub").base_image(debian)
        == "mirror.lan:5000/hub/library/debian:13"
    )
    assert (
        ImageLocations("mirror.lan", host_images={"debian-13": "a/b:c"}).base_image(debian)
        == "a/b:c"
    )


def test_places_are_read_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBEPARCEL_REGISTRY", "mirror.lan/")
    monkeypatch.setenv("KUBEPARCEL_IMAGES", "rocky-9=mirror.lan/rocky:9, fedora=mirror.lan/fedora")
    monkeypatch.delenv("KUBEPARCEL_DEBIAN", raising=False)
    places = ImageLocations.from_environment(tmp_path)
    assert places.registry == "mirror.lan"
    assert places.host_images == {"rocky-9": "mirror.lan/rocky:9", "fedora": "mirror.lan/fedora"}
    assert places.debian_archive == ""


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
    assert ImageLocations.from_environment(tmp_path).debian_archive == "http://a.lan/debian"
    (tmp_path / "etc/os-release").write_text("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n")
    assert ImageLocations.from_environment(tmp_path).debian_archive == ""
