"""Copies of a part of a repository, which clients accept: of one architecture, or without by-hash."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kubeparcel.reports.results import CheckState
from tests.support.package_builders import five
from tests.support.repository_fixtures import Publish
from tests.support.task_runs import exit_code

INDEXES = "apt/dists/stable/main"


@pytest.fixture
def copy_of_amd64(publish: Publish, repo: Path, tmp_path: Path) -> Path:
    """A copy of amd64 of a repository that also has arm64, without by-hash, as debmirror makes them."""
    publish(five(tmp_path / "both", arches=("amd64", "arm64")))
    for folder in [*repo.rglob("by-hash"), *repo.rglob("binary-arm64")]:
        shutil.rmtree(folder)
    for path in [*repo.rglob("*_arm64.deb"), *repo.rglob("*.aarch64.rpm")]:
        path.unlink()
    return repo


@pytest.mark.parametrize("arch", ["amd64", "x86_64"])
def test_copy_of_one_architecture_passes_with_arch(copy_of_amd64, doctor, arch):
    report = doctor(copy_of_amd64, arches=[arch])
    assert report.failed_checks == {}, report.as_text()
    document = json.loads(report.as_json())
    assert document["packages"] == 10
    states = {(check.subject, check.name): check for check in report.report.checks}
    assert states["apt stable", "by-hash"].state is CheckState.NOT_RUN
    assert states["files", "orphans"].not_run == "only some architectures or components were examined"
    assert "no by-hash, which the Release announces" in report.as_text()


def test_copy_of_one_architecture_fails_without_arch_and_names_the_option(copy_of_amd64, doctor):
    report = doctor(copy_of_amd64)
    assert report.failed_checks["apt stable"] == {"indexes"}
    assert report.failed_checks["yum stable"] == {"files"}
    assert report.as_text().count("--arch") >= 2


def test_fault_of_the_selected_architecture_is_still_found(copy_of_amd64, doctor):
    next(copy_of_amd64.rglob("kubelet_*_amd64.deb")).write_bytes(b"x")
    (copy_of_amd64 / INDEXES / "binary-amd64/Packages.gz").write_bytes(b"x")
    assert doctor(copy_of_amd64, arches=["amd64"]).failed_checks["apt stable"] == {"indexes", "files"}


def test_architecture_or_component_that_is_not_listed_fails(published, doctor):
    for options in ({"arches": ["s390x"]}, {"components": ["contrib"]}):
        report = doctor(published, suites=["stable"], **options)
        assert "release-fields" in report.failed_checks["apt stable"]
        assert "Check --arch and --component." in report.as_text()
    assert doctor(published, components=["main"]).failed_checks == {}


def test_copy_without_by_hash_is_a_remark_and_damaged_by_hash_a_failure(damaged, doctor):
    folder = damaged / INDEXES / "binary-amd64/by-hash/SHA256"
    digests = [path for path in folder.iterdir() if len(path.name) == 64]
    digests[0].unlink()
    assert doctor(damaged).failed_checks == {"apt stable": {"by-hash"}}
    shutil.rmtree(folder.parent)
    report = doctor(damaged)
    assert report.failed_checks == {}
    assert "apt stable: no by-hash" in report.as_text()


def test_missing_form_of_an_index_is_a_remark_while_another_is_valid(damaged, doctor):
    folder = damaged / INDEXES / "binary-amd64"
    (folder / "Packages.xz").unlink()
    report = doctor(damaged)
    assert report.failed_checks == {}
    assert "apt stable: no Packages.xz: apt reads another form of the index" in report.as_text()
    (folder / "Packages.gz").unlink()
    (folder / "Packages").unlink()
    assert doctor(damaged).failed_checks == {"apt stable": {"indexes"}}


def test_doctor_task_examines_one_architecture(copy_of_amd64, capsys):
    assert exit_code("doctor", copy_of_amd64, "--arch", "amd64", "--component", "main", "--quiet") == 0
    assert "10 packages" in capsys.readouterr().out
