"""The layout level: which checks apply, what fails, and what is printed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from kubeparcel.console import PlainLog, QuietLog
from kubeparcel.errors import UsageError
from kubeparcel.reports.output import as_json
from kubeparcel.verify.layout import level
from kubeparcel.verify.layout.checks import CHECKS
from tests.support.archive_builders import CONTROL, deb, member
from tests.support.checked_packages import check_packages
from tests.support.mutants.sboms import write_sboms
from tests.support.sample_packages import PackageDraft


def test_valid_packages_pass_every_check(samples, valid_packages):
    report = check_packages(list(valid_packages.values()), samples.store, QuietLog())
    assert report.failed == ()
    assert report.exit_code == 0
    assert {check.subject for check in report.checks} == set(valid_packages)


def test_every_check_applies_to_some_package(samples, official_samples, valid_packages, tmp_path):
    package = official_samples.manifest("kubeadm", "deb")
    file = official_samples.write(package, None, tmp_path)
    write_sboms(file)
    built = official_samples.built(package, file)
    reports = (
        check_packages([*valid_packages.values()], samples.store, QuietLog()),
        check_packages([built], official_samples.store, QuietLog()),
        level.check_paths([file]),
    )
    applied = {check.name for report in reports for check in report.checks}
    assert applied == {check.name for check in CHECKS} | {level.READABLE_CHECK}


def test_check_names_are_unique_and_in_kebab_case():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name and "_" not in name for name in names)
    assert all(check.meaning and not check.meaning.endswith(".") for check in CHECKS)


def test_path_in_two_packages_fails_in_both(samples, tmp_path):
    def greedy(draft: PackageDraft) -> None:
        draft.add_file("/usr/share/man/man1/kubectl.1")

    for name in ("kubectl", "kubeadm"):
        samples.write(samples.manifest(name, "deb"), greedy, tmp_path / name)
    report = level.check_paths([tmp_path])
    clashes = [check for check in report.failed if check.name == "one-owner-per-path"]
    assert [check.findings[0].location for check in clashes] == ["/usr/share/man/man1/kubectl.1"] * 2
    assert clashes[0].findings[0].found == "also in kubectl"


def test_path_in_two_packages_of_a_build_fails(samples, tmp_path):
    built = []
    for name in ("kubectl", "kubeadm"):
        package = samples.manifest(name, "rpm")
        page = next(file for file in package.files if "completions" in file.path)
        page = dataclasses.replace(page, path="/usr/share/man/man1/kube.1")
        package = dataclasses.replace(package, files=(*package.files, page))
        built.append(samples.build(package, None, tmp_path / "out" / name))
    report = check_packages(built, samples.store, QuietLog())
    assert {check.name for check in report.failed} == {"one-owner-per-path"}


def test_package_outside_the_catalog_gets_only_general_checks(samples, tmp_path):
    def rename(draft: PackageDraft) -> None:
        draft.config["name"] = "node-tools"
        draft.remove("provenance.json")

    file = samples.write(samples.manifest("kubelet", "deb"), rename, tmp_path)
    names = {check.name for check in level.check_paths([file]).checks}
    assert {"modes", "declared-digests", "drop-in-readable"} & names == {"modes", "declared-digests"}
    assert "files-present" not in names
    assert "relations" not in names


def test_file_that_is_not_a_package_is_one_failed_check(tmp_path):
    file = tmp_path / "kubelet.deb"
    file.write_text("<html>404</html>")
    (check,) = level.check_paths([file]).checks
    assert (check.name, check.passed) == ("readable", False)
    assert "neither a deb nor an rpm" in check.findings[0].found


def test_missing_packages_raise_usage_error_with_the_path(tmp_path):
    with pytest.raises(UsageError, match=r"No packages \(\*\.deb or \*\.rpm\) in /"):
        level.check_paths([tmp_path])
    with pytest.raises(UsageError, match="no such file or folder"):
        level.check_paths([tmp_path / "missing.deb"])


def test_build_check_logs_its_result(samples, valid_packages, tmp_path, capsys):
    check_packages(list(valid_packages.values()), samples.store, PlainLog())
    assert capsys.readouterr().err.startswith("Check      10 packages, ")

    package = samples.manifest("kubectl", "rpm")
    built = samples.build(package, lambda draft: draft.set_info("/usr/bin/kubectl", mode=0o600), tmp_path)
    check_packages([built], samples.store, PlainLog())
    output = capsys.readouterr().err
    assert "modes" in output
    assert "0600" in output


def test_results_module_imports_no_heavy_libraries():
    command = [sys.executable, "-c", "import sys, kubeparcel.reports.results; print(*sys.modules)"]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "yaml", "elftools", "zstandard", "xml"} & {*modules}


def test_report_of_real_checks_is_valid_json(samples, tmp_path):
    samples.write(samples.manifest("kubelet", "rpm"), None, tmp_path)
    document = json.loads(as_json([level.check_paths([tmp_path])]))
    assert document["passed"] is True
    assert document["count"] == len(document["checks"])


def test_a_check_reports_its_first_findings_and_the_number_of_others(tmp_path):
    members = [member(f"./usr/bin/{number}", b"x" * 99, mode=0o777) for number in range(250)]
    control = {"control": CONTROL + "Depends: " + "a" * 5000 + "\n", "postinst": "#!/bin/sh\n" + "exit 1\n" * 250}
    (tmp_path / "a.deb").write_bytes(deb(*members, control=control))
    report = level.check_paths([tmp_path / "a.deb"])
    failed = next(check for check in report.checks if check.name == "scripts-succeed")
    assert len(failed.findings) == 101
    assert failed.findings[-1].found == "150 more findings"
    assert all(len(finding.found) < 2100 for check in report.checks for finding in check.findings)
