"""The hosts of hosts.yaml, their images, and where these come from."""

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.base_images import ImageSpec
from kubeparcel.hosts.catalog import Purpose
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.model import Format

HOSTS = catalog.load_hosts()


@pytest.mark.parametrize("name", HOSTS.hosts)
def test_every_host_has_exactly_one_origin_and_a_spec_for_each_purpose(name):
    host = HOSTS.get(name)
    assert bool(host.suite) != bool(host.image)
    for purpose in Purpose:
        spec = ImageSpec.for_host(host, purpose, ImageLocations())
        assert spec.origin in {host.suite, host.image}
        assert set(host.family.packages) - set(host.excluded_packages) <= set(host.packages(purpose))


def test_an_unknown_host_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"(?s)Unknown host 'trixi'.*trixie-dnf"):
        HOSTS.get("trixi")


def test_the_default_host_is_the_first_available_one_with_the_level():
    assert HOSTS.default_host(Format.DEB, "install", HOSTS.hosts).name == "trixie"
    assert HOSTS.default_host(Format.RPM, "install", ["rocky-9", "fedora"]).name == "rocky-9"
    assert HOSTS.default_host(Format.RPM, "cluster", ["rocky-9", "fedora"]).name == "fedora"
    assert HOSTS.default_host(Format.RPM, "install", []) is None


def test_an_images_name_depends_on_host_purpose_and_origin():
    trixie = HOSTS.get("trixie")
    names = {
        ImageSpec.for_host(trixie, Purpose.INSTALL, ImageLocations()).name,
        ImageSpec.for_host(trixie, Purpose.NODE, ImageLocations()).name,
        ImageSpec.for_host(HOSTS.get("bookworm"), Purpose.INSTALL, ImageLocations()).name,
        ImageSpec.for_host(HOSTS.get("debian-13"), Purpose.INSTALL, ImageLocations()).name,
        ImageSpec.for_host(HOSTS.get("debian-13"), Purpose.INSTALL, ImageLocations("mirror.lan")).name,
    }
    assert len(names) == 5
    assert all(name.startswith("localhost/kubeparcel/") for name in names)


def test_the_registry_setting_replaces_the_registry_in_every_image_name():
    debian = HOSTS.get("debian-13")
    assert ImageLocations().base_image(debian) == "docker.io/library/debian:13"
    assert ImageLocations("mirror.lan:5000/hub").base_image(debian) == "mirror.lan:5000/hub/library/debian:13"
    assert ImageLocations("mirror.lan", host_images={"debian-13": "a/b:c"}).base_image(debian) == "a/b:c"


def test_image_locations_are_read_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBEPARCEL_REGISTRY", "mirror.lan/")
    monkeypatch.setenv("KUBEPARCEL_IMAGES", "rocky-9=mirror.lan/rocky:9, fedora=mirror.lan/fedora")
    monkeypatch.delenv("KUBEPARCEL_DEBIAN", raising=False)
    locations = ImageLocations.from_environment(tmp_path)
    assert locations.registry == "mirror.lan"
    assert locations.host_images == {"rocky-9": "mirror.lan/rocky:9", "fedora": "mirror.lan/fedora"}
    assert locations.debian_archive == ""


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
def test_on_debian_the_machines_own_archive_is_the_default(tmp_path, monkeypatch, name, text):
    monkeypatch.delenv("KUBEPARCEL_DEBIAN", raising=False)
    file = tmp_path / "etc/apt" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    (tmp_path / "etc/os-release").write_text("NAME=Debian\nID=debian\n")
    assert ImageLocations.from_environment(tmp_path).debian_archive == "http://a.lan/debian"
    (tmp_path / "etc/os-release").write_text("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n")
    assert ImageLocations.from_environment(tmp_path).debian_archive == ""
