"""Hosts that are pulled, from a registry on loopback with an image built here."""

from __future__ import annotations

import subprocess

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import KubeparcelError, ToolError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.session import open_session
from kubeparcel.model import Format
from kubeparcel.reports.output import as_text
from kubeparcel.store import Store
from kubeparcel.verify.install import level
from kubeparcel.verify.level_runner import LevelRun, run_level
from tests.acceptance.debian_archives import debian_archive
from tests.acceptance.engines import registry, require_programs
from tests.acceptance.small_packages import small_samples, write_set

HOST = catalog.load_hosts().get("debian-13")


@pytest.fixture(scope="module")
def debian_registry(tmp_path_factory, binaries_cache) -> str:
    """Run a registry with a minimal Debian as `library/debian:13`."""
    require_programs("mmdebstrap")
    try:
        engine = select_engine()
    except KubeparcelError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("registry")
    with registry(folder) as address:
        name = f"{address}/library/debian:13"
        engine.import_image(debian_archive(binaries_cache, "trixie"), name)
        subprocess.run([engine.name, "push", *engine.flags.plain_http, name], check=True)
        engine.remove_image(name)
        yield address
        engine.remove_image(name)


def test_packages_are_verified_on_a_pulled_host(debian_registry, binaries_cache, tmp_path):
    new = write_set(small_samples(tmp_path / "new"), Format.DEB, tmp_path / "set")
    locations = ImageLocations(registry=debian_registry)
    with open_session(Store(binaries_cache), QuietLog(), locations=locations) as session:
        try:
            run = LevelRun.create(session, [new])
            report = run_level(level.LEVEL, run, [HOST], only=["lifecycle", "kubelet-alone"])
            assert report.passed, as_text([report])
            assert session.engine.list_images("localhost/kubeparcel/debian-13-install")
        finally:
            session.engine.remove_image(ensure_image(session, HOST))


def test_a_hosts_image_can_be_replaced_by_another(debian_registry, binaries_cache):
    locations = ImageLocations(host_images={"rocky-9": f"{debian_registry}/no/such:image"})
    with (
        open_session(Store(binaries_cache), QuietLog(), locations=locations) as session,
        pytest.raises(ToolError, match="no/such:image"),
    ):
        ensure_image(session, catalog.load_hosts().get("rocky-9"))
