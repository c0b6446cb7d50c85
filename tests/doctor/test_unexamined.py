"""What could not be examined does not pass."""

import json
from xml.etree import ElementTree

from kubeparcel.reports.output import write_junit
from kubeparcel.reports.results import CheckState
from tests.doctor.conftest import PACKAGE_FILE_CHECKS


def test_unreadable_index_skips_the_checks_that_depend_on_it(damaged, doctor):
    for path in (damaged / "yum/stable/repodata").glob("*primary*"):
        path.write_bytes(b"x")
    report = doctor(damaged)
    assert report.failed_checks == {"yum stable": {"indexes"}}
    not_run = {check.name: check.not_run for check in report.report.checks if check.not_run}
    not_run.pop("sqv", "")
    names = {"entries", "closure", "companions", "orphans", *PACKAGE_FILE_CHECKS, "formats"}
    assert set(not_run) == names - {"rpm-signature"}
    assert set(not_run.values()) == {"an index could not be read"}
    assert "(an index could not be read)" in report.as_text()


def test_part_of_a_repository_without_a_key_does_not_pass_signatures(published, tmp_path, doctor):
    report = doctor(published / "apt/dists/stable")
    assert report.failed_checks == {"key": {"key"}}
    states = {check.name: check.state for check in report.report.checks}
    for name in ("inrelease", "release-gpg", "sqv", "key-self-signature"):
        assert states[name] is CheckState.NOT_RUN, name
    assert states["signature-packet"] is CheckState.PASSED, "it needs no key"
    text = report.as_text()
    assert "apt stable  – 13 checks: 10 pass, 3 not run" in text
    assert "inrelease, release-gpg, sqv (no public key to verify signatures with)" in text
    assert "files: orphans (only some suites were examined)" in text
    document = json.loads(report.as_json())
    assert (document["count"], document["failed"], document["not-run"]) == (16, 1, 5)
    (suite,) = (entry for entry in document["subjects"] if entry["subject"] == "apt stable")
    assert (suite["passed"], suite["state"]) == (False, "not-run")
    (check,) = (entry for entry in suite["checks"] if entry["name"] == "inrelease")
    assert check["state"] == "not-run"
    assert not check["passed"]
    assert check["not-run"] == "no public key to verify signatures with"
    write_junit([report.report], tmp_path / "doctor.xml")
    root = ElementTree.parse(tmp_path / "doctor.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("16", "1", "5")
    skipped = {case.get("name") for case in root.iter("testcase") if case.find("skipped") is not None}
    assert skipped == {"inrelease", "release-gpg", "sqv", "key-self-signature", "orphans"}


def test_repository_without_its_key_does_not_pass_signatures(damaged, doctor):
    for path in (*damaged.rglob("key.*"), *damaged.rglob("repomd.xml.key")):
        path.unlink()
    report = doctor(damaged)
    assert report.failed_checks == {"key": {"key"}}
    states = {(check.subject, check.name): check.state for check in report.report.checks}
    for name in ("repomd-signature", "rpm-signature"):
        assert states["yum stable", name] is CheckState.NOT_RUN
    assert states["yum stable", "inside"] is CheckState.PASSED


def test_checks_inside_packages_do_not_pass_if_no_package_could_be_read(damaged, doctor):
    for path in damaged.rglob("*.rpm"):
        path.write_bytes(b"x")
    report = doctor(damaged)
    assert report.failed_checks == {"yum stable": {"files"}, "yum v1.36": {"files"}}
    states = {(check.subject, check.name): check for check in report.report.checks}
    for name in ("inside", "rpm-signature"):
        assert states["yum stable", name].not_run == "no package file could be read"
        assert states["yum stable", name].state is CheckState.NOT_RUN


def test_suite_with_a_damaged_release_does_not_pass_checks_of_its_contents(damaged, doctor):
    (damaged / "apt/dists/stable/Release").unlink()
    (damaged / "apt/dists/stable/InRelease").write_bytes(b"garbage")
    report = doctor(damaged)
    assert report.failed_checks == {"apt stable": {"inrelease", "release-gpg"}, "attestations": {"subjects"}}
    checks = {check.name: check for check in report.report.checks if check.subject == "apt stable"}
    for name in ("dates", "release-fields", "indexes", "entries"):
        assert checks[name].not_run == "the Release could not be read"
    assert checks["signature-packet"].not_run == "no signature was found"
    passed = {name for name, check in checks.items() if check.passed}
    assert not passed
