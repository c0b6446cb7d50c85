"""The install level on a real docker daemon, which here runs only for these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeparcel.hosts import session, table
from kubeparcel.hosts.session import Session
from kubeparcel.log import Quiet
from kubeparcel.model import Format
from kubeparcel.store import Store
from kubeparcel.verify import install

from .engines import dockerd
from .small_packages import small, write_set


@pytest.fixture(scope="module")
def here(tmp_path_factory, binaries_cache) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("docker")
    with dockerd(folder) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        with session.opened(Store(binaries_cache), Quiet(), engine="docker") as opened:
            yield opened


def test_packages_are_proved_on_docker_as_on_podman(here, tmp_path):
    new = write_set(small(tmp_path / "new", "2"), Format.DEB, tmp_path / "a")
    old = write_set(small(tmp_path / "old", "1"), Format.DEB, tmp_path / "b")
    report = install.check(here, [table.load().pick("trixie")], [new], [old])
    assert here.engine.name == "docker"
    assert report.passed, report.as_text()
    assert here.engine.labelled("kubeparcel.run") == []
