"""Hosts that are pulled: proved against a registry on loopback that holds an image made here."""

from __future__ import annotations

import subprocess

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import KubeparcelError, ToolError
from kubeparcel.hosts import catalog, session
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.model import Format
from kubeparcel.reports.output import as_text
from kubeparcel.store import Store
from kubeparcel.verify.install import level
from kubeparcel.verify.level_runner import LevelRun, run_level
from tests.acceptance.engines import needed, registry
from tests.acceptance.small_packages import small_workshop, write_set

HOST = catalog.load_hosts().get("debian-13")


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> str:
    """A registry with `library/debian:13`: a minimal Debian, as its own image is."""
    needed("mmdebstrap")
    try:
        engine = select_engine()
    except KubeparcelError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("registry")
    tar = folder / "debian.tar"
    archive = [found] if (found := ImageLocations.from_environment().debian_archive) else []
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "trixie", tar, *archive]
    subprocess.run(command, check=True)
    with registry(folder) as address:
        name = f"{address}/library/debian:13"
        engine.import_image(tar, name)
        engine.push(name)
        engine.remove_image(name)
        yield address
        engine.remove_image(name)


def test_a_pulled_host_proves_packages_like_one_made_here(filled, binaries_cache, tmp_path):
    new = write_set(small_workshop(tmp_path / "new"), Format.DEB, tmp_path / "set")
    locations = ImageLocations(registry=filled)
    with session.open_session(Store(binaries_cache), QuietLog(), locations=locations) as here:
        try:
            run = LevelRun.create(here, [new])
            report = run_level(level.LEVEL, run, [HOST], only=["lifecycle", "kubelet-alone"])
            assert report.passed, as_text([report])
            assert here.engine.list_images("localhost/kubeparcel/debian-13-install")
        finally:
            here.engine.remove_image(here.ensure_image(HOST))


def test_an_image_of_another_name_can_stand_for_a_host(filled, binaries_cache):
    locations = ImageLocations(host_images={"rocky-9": f"{filled}/no/such:image"})
    with (
        session.open_session(Store(binaries_cache), QuietLog(), locations=locations) as here,
        pytest.raises(ToolError, match="no/such:image"),
    ):
        here.ensure_image(catalog.load_hosts().get("rocky-9"))
