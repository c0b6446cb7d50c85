"""The examination as a whole: its report, its options, and what it does not report."""

import json
import random
import re
import shutil
from xml.etree import ElementTree

import pytest

from kubeparcel.console import QuietLog, quantity
from kubeparcel.doctor.findings import MAX_FINDINGS
from kubeparcel.doctor.reader import FolderReader
from kubeparcel.reports.results import CheckState
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.storage.s3 import S3Storage
from tests.doctor.conftest import PACKAGE_FILE_CHECKS
from tests.support.recorded_calls import record_calls
from tests.support.repository_fixtures import publish_folder
from tests.support.task_runs import exit_code

DEB = "apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"


def test_published_repository_passes_all_checks(published, doctor):
    report = doctor(published)
    assert report.failed_checks == {}
    assert {subject.name for subject in report.subjects} == {
        *("key", "apt stable", "apt v1.36", "yum stable", "yum v1.36", "debs and rpms", "files", "attestations")
    }
    states = {(check.name, check.state) for check in report.report.checks}
    assert {name for name, state in states if state is CheckState.NOT_RUN} <= {"sqv"}
    if shutil.which("sqv"):
        assert "all pass" in report.as_text()
    else:
        assert "sqv (sqv is not installed)" in report.as_text()
        assert re.search(r"53 checks: 49 pass, 4 not run", report.as_text())


def test_bucket_is_examined_as_a_folder(bucket, key, dist, doctor):
    publish_folder(dist, bucket)
    report = doctor(bucket)
    assert report.failed_checks == {}
    assert sum(len(subject.packages) for subject in report.subjects) == 20
    S3Storage.from_url(bucket).remove(["apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"])
    assert doctor(bucket).failed_checks == {"apt stable": {"files"}, "apt v1.36": {"files"}}


def test_missing_file_fails_in_each_suite_that_lists_it(damaged, doctor):
    (damaged / DEB).unlink()
    report = doctor(damaged)
    assert report.failed_checks == {"apt stable": {"files"}, "apt v1.36": {"files"}}
    text = report.as_text()
    assert "✗ files: every package file exists" in text
    assert "expected kubelet 1.36.3-1 amd64 (deb)" in text
    assert f"location {DEB}" in text
    assert "Publish the file again, or remove it from the index." in text


def test_package_in_two_suites_and_file_read_once_are_counted_once(published, doctor):
    report = doctor(published)
    debs, rpms = list(published.rglob("*.deb")), list(published.rglob("*.rpm"))
    assert (len(debs), len(rpms)) == (5, 10), "each suite has its own path of an rpm"
    size = sum(path.stat().st_size for path in (*debs, *rpms))
    document = json.loads(report.as_json())
    assert (document["packages"], document["files"], document["bytes"]) == (10, 15, size)
    assert f"10 packages in 15 files, {quantity(size, 'B')} read" in report.as_text()
    for subject in document["subjects"]:
        if subject["subject"].startswith(("apt", "yum")):
            assert subject["packages"] == 5
    listed = doctor(published, quick=True)
    assert "10 packages in 15 files, not read (--quick)" in listed.as_text()
    one_suite = doctor(published, suites=["stable"])
    assert "10 packages, " in one_suite.as_text()


def test_file_is_read_once_although_two_suites_list_it(published, doctor, monkeypatch):
    calls = record_calls(monkeypatch, FolderReader, "stream")
    report = doctor(published)
    files = [path for (_, path, _), _ in calls if path.endswith((".deb", ".rpm"))]
    assert len(files) == len(set(files)) == json.loads(report.as_json())["files"]


def test_quick_skips_package_files_and_reports_it(damaged, doctor):
    (damaged / DEB).unlink()
    report = doctor(damaged, quick=True)
    assert report.exit_code == 0
    assert "not read (--quick)" in report.as_text()
    checks = [check for check in report.report.checks if check.name in PACKAGE_FILE_CHECKS]
    assert {check.name for check in checks} == PACKAGE_FILE_CHECKS
    assert {(check.state, check.not_run) for check in checks} == {(CheckState.NOT_RUN, "--quick")}
    assert "files, inside, rpm-signature (--quick)" in report.as_text()


def test_files_retained_for_lagging_clients_are_not_orphans(publish, repo, newer, doctor):
    publish()
    publish(newer)
    publisher.remove(["=1.36.3-1"], Target(str(repo)), QuietLog())
    assert (repo / DEB).exists()
    assert doctor(repo).failed_checks == {}


def test_findings_beyond_the_limit_are_counted(damaged, doctor):
    folder = damaged / "apt/pool/main/x"
    folder.mkdir()
    for number in range(MAX_FINDINGS + 10):
        (folder / f"x_{number}.deb").write_bytes(b"")
    (check,) = doctor(damaged).report.failed
    assert len(check.findings) == MAX_FINDINGS + 1
    assert check.findings[-1].found == "and 10 more"


@pytest.mark.parametrize("data", [b"", b"Package: x\n" * 99, random.Random(405).randbytes(3000)])
@pytest.mark.parametrize("name", ["apt/dists/stable", "yum/stable/repodata"])
def test_garbage_in_any_metadata_file_is_a_finding(damaged, doctor, name, data):
    for path in [path for path in (damaged / name).rglob("*") if path.is_file()]:
        before = path.read_bytes()
        path.write_bytes(data)
        assert doctor(damaged, quick=True, suites=["stable"]).exit_code == 1 or path.suffix in (".html", ".key"), path
        path.write_bytes(before)


def test_doctor_task_prints_json_and_writes_junit(damaged, tmp_path, capsys):
    (damaged / DEB).unlink()
    report = tmp_path / "out/doctor.xml"
    assert exit_code("doctor", damaged, "--json", "--junit", report, "--quiet") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["passed"], document["failed"], document["packages"]) == (False, 2, 10)
    subjects = {subject["subject"]: subject for subject in document["subjects"]}
    checks = subjects["apt stable"]["checks"]
    (failed,) = [check for check in checks if check["state"] == "failed"]
    assert failed["name"] == "files"
    assert failed["findings"][0]["location"] == DEB
    root = ElementTree.parse(report).getroot()
    assert (root.get("tests"), root.get("failures")) == (str(document["count"]), "2")


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("doctor", 2, "Missing REPOSITORY: URL, folder or s3:"),
        ("doctor a b", 2, "Unexpected argument 'b' for doctor."),
        ("doctor nowhere", 2, "nowhere: the folder does not exist."),
        ("doctor .", 2, "No repository at"),
        ("doctor . --horizon x", 2, "Invalid --horizon 'x': use a whole number from 0 to 36500."),
        ("doctor . --horizon=x", 2, "Invalid --horizon 'x': use a whole number from 0 to 36500."),
        ("doctor http://127.0.0.1:9/", 3, "refused the connection"),
    ],
)
def test_invalid_input_fails_with_its_exit_code(workdir, capsys, command, code, message):
    assert exit_code(*command.split()) == code
    assert message in capsys.readouterr().err
