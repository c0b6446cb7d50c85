"""Publishing a folder again reads only its new files, with the same result as a full publish."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kubeparcel import paths
from kubeparcel.console import QuietLog
from kubeparcel.model import Format
from kubeparcel.repository import file_stamp, publisher, suites
from kubeparcel.repository.candidates import match
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.package import Package
from tests.support import client_view
from tests.support.package_builders import deb, five
from tests.support.recorded_calls import record_calls
from tests.support.repository_fixtures import publish_folder


def file_names(repo: Path) -> dict[str, set[str]]:
    """Return the file names in each suite; digests differ, because RPMs are signed each time."""
    return {suite: set(packages) for suite, packages in client_view.read_repository(repo).items()}


def replace_file(dist: Path) -> None:
    next(dist.glob("kubectl*.deb")).unlink()
    deb(dist, "site-tools", "3-1")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda dist: five(dist, "1.37.1"), id="newer minor"),
        pytest.param(lambda dist: five(dist, "1.36.4"), id="newer patch"),
        pytest.param(lambda dist: five(dist, "1.37.0-rc.1"), id="pre-release"),
        pytest.param(lambda dist: deb(dist, "cri-tools", "1.36.1-1"), id="companion"),
        pytest.param(lambda dist: deb(dist, "site-tools", "3-1"), id="other package"),
        pytest.param(lambda dist: os.utime(next(dist.glob("kubelet*.deb")), (1, 1)), id="touched file"),
        pytest.param(replace_file, id="replaced file"),
    ],
)
def test_incremental_publish_equals_a_full_publish(publish, repo, dist, tmp_path, change):
    publish()
    shutil.copytree(repo, tmp_path / "other", symlinks=True)
    change(dist)
    publish()
    shutil.rmtree(paths.cache_dir())
    publish_folder(dist, tmp_path / "other")
    assert file_names(repo) == file_names(tmp_path / "other")


def test_incremental_publish_looks_at_new_files_only(publish, dist, monkeypatch):
    monkeypatch.setattr(file_stamp, "CLOCK_TICK", 0)
    calls = record_calls(monkeypatch, match, "match_packages")
    publish()
    publish()
    deb(dist, "cri-tools", "1.36.1-1")
    publish()
    deb(dist, "kubectl", "1.37.0-1")
    publish()
    assert [len(files) for (files, *_), _ in calls] == [
        10,
        1,
        1,
        12,
    ]  # the suite of a new minor also gets the older companions


def test_publish_restores_packages_removed_since_the_last_publish(publish, repo):
    publish()
    before = client_view.read_repository(repo)
    publisher.remove(["kubectl"], Target(str(repo)), QuietLog())
    assert client_view.read_repository(repo) != before
    publish()
    assert client_view.read_repository(repo) == before


def test_publish_notices_a_restored_backup(publish, repo, dist, tmp_path):
    """After a restore and another change, the generation is the one of the last publish again."""
    publish()
    shutil.copytree(repo, tmp_path / "backup", symlinks=True)
    deb(dist, "kubectl", "1.36.4-1")
    publish()
    before = client_view.read_repository(repo)
    shutil.rmtree(repo)
    shutil.copytree(tmp_path / "backup", repo, symlinks=True)
    publisher.remove(["kubectl"], Target(str(repo)), QuietLog())
    assert "Nothing to do" not in publish().as_text()
    assert client_view.read_repository(repo).keys() == before.keys()
    assert file_names(repo) == {suite: set(packages) for suite, packages in before.items()}


def test_companion_joins_the_home_suites_of_the_core_packages_in_its_folder():
    def package(name: str, version: str) -> Package:
        return Package(Format.DEB, name, version, "amd64", name + version, 1, "", "", "")

    companion, core = package("cri-tools", "1.36.0-1"), package("kubelet", "1.36.3-1")
    before = {"stable": frozenset({core}), "v1.36": frozenset({core}), "v1.40": frozenset()}
    added = suites.add(before, [companion], home_suites_of_rest=suites.home_suites([core]))
    assert added == suites.add(before, [companion, core])
    assert companion not in added["v1.40"]
    assert companion in suites.add(before, [companion])["v1.40"]
