"""The install level on a docker daemon that is started for this test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import KubeparcelError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.session import open_session
from kubeparcel.store import Store
from tests.acceptance.conftest import Site
from tests.acceptance.engines import dockerd


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, binaries_cache: Path) -> Iterator[str]:
    """Start a daemon and load the host's image, which podman has built; yield its DOCKER_HOST."""
    folder = tmp_path_factory.mktemp("docker")
    with dockerd(folder) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        try:
            select_engine("podman")
        except KubeparcelError as error:
            pytest.skip(str(error))
        with open_session(Store(binaries_cache), QuietLog(), engine="podman") as session:
            image, archive = (ensure_image(session, catalog.load_hosts().get("trixie")), folder / "trixie.tar")
            session.engine.save_images([image], archive)
        select_engine("docker").load_image(archive)
        archive.unlink()
        yield address


def test_real_packages_are_verified_on_docker(docker: str, real: Site):
    arguments = ("verify", "--level", "install", "--engine", "docker", "--on", "trixie")
    _, install = real.json(*arguments, DOCKER_HOST=docker)["levels"]
    assert install["passed"]
    assert {check["host"] for check in install["checks"]} == {"trixie"}
    assert install["count"] > 50
    command = ["docker", "--host", docker, "ps", "--all", "--quiet"]
    remaining = subprocess.run(command, check=True, capture_output=True, text=True)
    assert remaining.stdout == ""
