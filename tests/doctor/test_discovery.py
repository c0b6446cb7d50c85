"""Repositories are found below a base, in a folder or by an address of one of their parts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kubeparcel.doctor import discovery
from kubeparcel.doctor.factory import open_reader
from kubeparcel.doctor.reader import FolderReader
from kubeparcel.errors import UsageError
from tests.doctor.conftest import Doctor


def test_both_repositories_are_found_below_their_base(published: Path) -> None:
    found = discovery.discover(FolderReader(published))
    assert [suite.folder for suite in found.suites] == ["apt/dists/stable", "apt/dists/v1.36"]
    assert found.yum_folders == ("yum/stable", "yum/v1.36")
    assert [found.subject_name(one) for one in (*found.suites, *found.yum_folders)] == [
        *("apt stable", "apt v1.36", "yum stable", "yum v1.36"),
    ]


@pytest.mark.parametrize(
    ("below", "suites", "yums"),
    [
        ("apt", ["dists/stable", "dists/v1.36"], ()),
        ("yum", [], ("stable", "v1.36")),
        ("yum/stable", [], ("",)),
        ("apt/dists/stable", ["dists/stable"], ()),
        ("apt/dists/v1.36/InRelease", ["dists/v1.36"], ()),
        ("yum/v1.36/repodata/repomd.xml", [], ("",)),
    ],
)
def test_an_address_of_a_part_is_understood(
    published: Path, below: str, suites: list[str], yums: tuple[str, ...]
) -> None:
    source, suite = open_reader(f"{published}/{below}")
    found = discovery.discover(source, [suite] if suite else [])
    assert [one.folder for one in found.suites] == suites
    assert found.yum_folders == yums


def test_only_the_suites_that_are_named_matter(published: Path, doctor: Doctor) -> None:
    subjects = {one.name for one in doctor(published, suites=["v1.36"]).subjects}
    assert subjects == {"key", "apt v1.36", "yum v1.36", "debs and rpms"}


def test_two_suites_of_a_name_are_told_apart(published: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(published / "apt", tmp_path / name)
    found = discovery.discover(FolderReader(tmp_path))
    assert found.subject_name(found.suites[0]) == "apt one/dists/stable"


def test_a_folder_without_a_repository_is_wrong_usage(tmp_path: Path, doctor: Doctor) -> None:
    with pytest.raises(UsageError, match="No apt or yum repository"):
        doctor(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        doctor(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="Unsupported repository location ftp"):
        doctor("ftp://localhost/x")


def test_a_suite_that_is_not_there_is_wrong_usage(published: Path, doctor: Doctor) -> None:
    with pytest.raises(UsageError, match=r"with suite v1\.2"):
        doctor(published, suites=["v1.2"])
