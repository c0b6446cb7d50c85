"""Repositories are discovered below a folder, and by the URL of one of their parts."""

import shutil

import pytest

from kubeparcel.doctor import discovery
from kubeparcel.doctor.locations import open_reader
from kubeparcel.doctor.reader import FolderReader
from kubeparcel.errors import UsageError


def test_discover_finds_apt_and_yum_repositories_below_a_folder(published):
    discovered = discovery.discover(FolderReader(published))
    assert [suite.folder for suite in discovered.suites] == ["apt/dists/stable", "apt/dists/v1.36"]
    assert discovered.yum_folders == ("yum/stable", "yum/v1.36")
    assert [discovered.subject_name(repository) for repository in (*discovered.suites, *discovered.yum_folders)] == [
        *("apt stable", "apt v1.36", "yum stable", "yum v1.36")
    ]


@pytest.mark.parametrize(
    ("path", "suites", "yum_folders"),
    [
        ("apt", ["dists/stable", "dists/v1.36"], ()),
        ("yum", [], ("stable", "v1.36")),
        ("yum/stable", [], ("",)),
        ("apt/dists/stable", ["dists/stable"], ()),
        ("apt/dists/v1.36/InRelease", ["dists/v1.36"], ()),
        ("yum/v1.36/repodata/repomd.xml", [], ("",)),
    ],
)
def test_location_of_a_part_of_a_repository_is_accepted(published, path, suites, yum_folders):
    discovered = discovery.discover(*open_reader(f"{published}/{path}", suites=()))
    assert [found.folder for found in discovered.suites] == suites
    assert discovered.yum_folders == yum_folders


def test_suite_option_limits_the_examination(published, doctor):
    subjects = {subject.name for subject in doctor(published, suites=["v1.36"]).subjects}
    assert subjects == {"key", "apt v1.36", "yum v1.36", "debs and rpms", "files", "attestations"}


def test_suites_of_the_same_name_are_reported_with_their_folders(published, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(published / "apt", tmp_path / name)
    discovered = discovery.discover(FolderReader(tmp_path))
    assert discovered.subject_name(discovered.suites[0]) == "apt one/dists/stable"


def test_location_without_a_repository_is_a_usage_error(tmp_path, doctor):
    with pytest.raises(UsageError, match="No repository"):
        doctor(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        doctor(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="Unsupported repository location ftp"):
        doctor("ftp://localhost/x")


def test_missing_suite_is_a_usage_error(published, doctor):
    with pytest.raises(UsageError, match=r"with suite v1\.2"):
        doctor(published, suites=["v1.2"])
