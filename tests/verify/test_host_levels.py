"""Levels on the hosts of this machine, with an engine that runs commands here."""

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.store import Store
from kubeparcel.verify.host_levels import open_local_hosts
from kubeparcel.verify.level_packages import LevelPackages
from kubeparcel.verify.request import VerifyRequest
from tests.support.level_stand_in import LEVEL, engine
from tests.support.package_builders import deb


@pytest.mark.parametrize("keep", [False, True])
def test_packages_stay_for_a_container_that_is_kept(workdir, monkeypatch, keep):
    for name, value in engine(workdir / "engine", workdir / "containers").items():
        monkeypatch.setenv(name, value)
    file = deb(workdir, "kubectl", "1.36.3-1")
    request = VerifyRequest("install", (file,), keep=keep)
    with open_local_hosts(request, Store(workdir / "cache"), QuietLog()) as hosts:
        report = hosts.run(LEVEL, LevelPackages.of(hosts.folder, [file], [], []), ["trixie"])
        assert [check.name for check in report.failed] == ["fail"]
    assert [path.name for path in hosts.folder.glob("**/*.deb")] == [file.name] * keep
