"""The install level on a real docker daemon, which here runs only for this test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import KubeparcelError
from kubeparcel.hosts import catalog, session
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.store import Store
from tests.acceptance.conftest import Site
from tests.acceptance.engines import dockerd


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, binaries_cache: Path) -> Iterator[str]:
    """DOCKER_HOST of a daemon that has the host's image, where podman has made it before."""
    folder = tmp_path_factory.mktemp("docker")
    with dockerd(folder) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        try:
            select_engine("podman")
        except KubeparcelError as error:
            pytest.skip(str(error))
        with session.open_session(Store(binaries_cache), QuietLog(), engine="podman") as here:
            image, archive = (
                here.ensure_image(catalog.load_hosts().get("trixie")),
                folder / "trixie.tar",
            )
            here.engine.save_images([image], archive)
        select_engine("docker").load_image(archive)
        archive.unlink()
        yield address


def test_real_packages_are_proved_on_docker_as_on_podman(docker: str, real: Site):
    words = ("verify", "--level", "install", "--engine", "docker", "--on", "trixie")
    _, install = real.json(*words, DOCKER_HOST=docker)["levels"]
    assert install["passed"]
    assert {check["host"] for check in install["checks"]} == {"trixie"}
    assert install["count"] > 50
    listed = ["docker", "--host", docker, "ps", "--all", "--quiet"]
    left = subprocess.run(listed, check=True, capture_output=True, text=True)
    assert left.stdout == ""
