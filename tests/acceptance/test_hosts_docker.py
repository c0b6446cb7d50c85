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
from kubeparcel.model import Format
from kubeparcel.reports.output import as_text
from kubeparcel.store import Store
from kubeparcel.verify.install import level
from kubeparcel.verify.level_runner import LevelRun, run_level
from tests.acceptance.engines import dockerd
from tests.acceptance.small_packages import small_samples, write_set


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


def test_packages_are_verified_on_docker(docker: str, binaries_cache: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker)
    new, old = (write_set(small_samples(tmp_path / n, n), Format.DEB, tmp_path / f"set-{n}") for n in ("2", "1"))
    with open_session(Store(binaries_cache), QuietLog(), engine="docker") as session:
        report = run_level(level.LEVEL, LevelRun.create(session, [new], [old]), [catalog.load_hosts().get("trixie")])
    assert report.passed, as_text([report])
    assert {check.host for check in report.checks} == {"trixie"}
    assert len(report.checks) > 50
    command = ["docker", "--host", docker, "ps", "--all", "--quiet"]
    remaining = subprocess.run(command, check=True, capture_output=True, text=True)
    assert remaining.stdout == ""
