"""Each mutant, a package with one fault, fails the check meant for it."""

from __future__ import annotations

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.paths import display_path
from kubeparcel.reports.results import Report
from kubeparcel.verify.layout import level
from kubeparcel.verify.layout.checks import CHECKS
from tests.support import repack
from tests.support.checked_packages import check_packages
from tests.support.mutants import MUTANTS
from tests.support.mutants.paths import SHARED_PATHS
from tests.support.mutants.sboms import SBOMS, change_sbom, write_sboms

BOTH = ("deb", "rpm")
REPACKED = (
    (repack.change_bytes, "declared-digests", BOTH),
    (repack.split_frames, "compression", ("deb",)),
    (repack.remove_md5sums, "verifiable", ("deb",)),
    (repack.truncate, "readable", BOTH),
    (repack.rename, "file-name", BOTH),
)
PACKAGE_SET_CHECKS = {"one-owner-per-path"}
"""Checks of several packages together; SHARED_PATHS has their mutants."""

CASES = [
    pytest.param(mutant, format_, id=f"{mutant.name} ({mutant.package} {format_})")
    for mutant in MUTANTS
    for format_ in mutant.formats
]
REPACKED_CASES = [
    pytest.param(change, check, format_, id=f"{change.__name__} ({format_})")
    for change, check, formats in REPACKED
    for format_ in formats
]


def failed(report: Report) -> set[str]:
    return {check.name for check in report.failed}


@pytest.mark.parametrize(("mutant", "format_"), CASES)
def test_mutant_fails_its_check(mutant, format_, samples, official_samples, tmp_path):
    packages = official_samples if mutant.official else samples
    package = packages.manifest(mutant.package, format_)
    file = packages.write(package, mutant.mutate, tmp_path)

    by_build = failed(check_packages([packages.built(package, file)], packages.store, QuietLog()))
    assert mutant.check in by_build

    by_catalog = failed(level.check_paths([file]))
    if not mutant.exact:
        assert mutant.check in by_catalog
    assert by_catalog <= {mutant.check, *mutant.also_fails}


@pytest.mark.parametrize(("change", "check", "format_"), REPACKED_CASES)
def test_repacked_file_fails_its_check(change, check, format_, samples, tmp_path):
    samples.write(samples.manifest("kubectl", format_), None, tmp_path / "out")
    (file,) = (tmp_path / "out").glob(f"*.{format_}")
    change(file)
    assert failed(level.check_paths([tmp_path / "out"])) == {check}


@pytest.mark.parametrize("folder", ["", "sbom", "../sbom"])
@pytest.mark.parametrize("format_", BOTH)
def test_sboms_of_the_package_pass(format_, folder, samples, tmp_path):
    file = samples.write(samples.manifest("kubectl", format_), None, tmp_path / format_)
    write_sboms(file, file.parent / folder)
    report = level.check_paths([file])
    assert report.passed
    assert "sbom" in {check.name for check in report.checks}


@pytest.mark.parametrize("mutant", SBOMS, ids=lambda mutant: f"{mutant.name} ({mutant.suffix})")
def test_sbom_that_is_not_about_the_package_fails_its_check(mutant, samples, tmp_path):
    file = samples.write(samples.manifest("kubectl", "deb"), None, tmp_path)
    change_sbom(write_sboms(file)[mutant.suffix], mutant.change)
    report = level.check_paths([file])
    assert failed(report) == {"sbom"}
    (check,) = report.failed
    assert any(mutant.finding in finding.found for finding in check.findings)
    assert {finding.location for finding in check.findings} == {f"{display_path(file)}{mutant.suffix}"}


def test_every_check_has_a_mutant():
    caught = {mutant.check for mutant in MUTANTS} | {check for _, check, _ in REPACKED} | {"sbom"}
    assert {check.name for check in CHECKS} | {level.READABLE_CHECK} == caught | PACKAGE_SET_CHECKS


@pytest.mark.parametrize("shared", SHARED_PATHS, ids=lambda shared: shared.name)
@pytest.mark.parametrize("format_", BOTH)
def test_path_of_two_packages_fails_if_they_cannot_be_installed_together(shared, format_, samples, tmp_path):
    shared.write(samples, format_, tmp_path)
    assert ("one-owner-per-path" in failed(level.check_paths([tmp_path]))) == (format_ in shared.refused)
