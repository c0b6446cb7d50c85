"""The examination as a whole: its report, its options, and what it does not report."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kubeparcel import cli
from kubeparcel.console import QuietLog, quantity
from kubeparcel.doctor.findings import MAX_FINDINGS, CheckKind
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.package_contents import FileCheck
from kubeparcel.doctor.package_files import check_file
from kubeparcel.doctor.reader import FolderReader
from kubeparcel.doctor.signature_check import SignatureVerifier
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Format
from kubeparcel.packages.rpm import header
from kubeparcel.reports.output import write_junit
from kubeparcel.reports.results import CheckState
from kubeparcel.repository import publisher
from kubeparcel.repository.model import Package
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.signing import keys, rpm_signature
from tests.doctor.conftest import Doctor
from tests.support.package_builders import five, rpm
from tests.support.repository_fixtures import Publish

PACKAGE_FILE_CHECKS = {"files", "inside", "rpm-signature"}
DEB = "apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"


def test_published_repository_passes_all_checks(published: Path, doctor: Doctor) -> None:
    report = doctor(published)
    assert report.failed_checks == {}
    assert {subject.name for subject in report.subjects} == {
        *("key", "apt stable", "apt v1.36", "yum stable", "yum v1.36", "debs and rpms", "files")
    }
    states = {(check.name, check.state) for check in report.report.checks}
    assert {name for name, state in states if state is CheckState.NOT_RUN} <= {"sqv"}
    if shutil.which("sqv"):
        assert "all pass" in report.as_text()
    else:
        assert "sqv (sqv is not installed)" in report.as_text()
        assert re.search(r"50 checks: 46 pass, 4 not run", report.as_text())


def test_missing_file_fails_in_each_suite_that_lists_it(damaged: Path, doctor: Doctor) -> None:
    (damaged / DEB).unlink()
    report = doctor(damaged)
    assert report.failed_checks == {"apt stable": {"files"}, "apt v1.36": {"files"}}
    text = report.as_text()
    assert "✗ files: every package file exists" in text
    assert "expected kubelet 1.36.3-1 amd64 (deb)" in text
    assert f"location {DEB}" in text
    assert "Publish the file again, or remove it from the index." in text


def test_package_in_two_suites_and_file_that_is_read_once_are_counted_once(published: Path, doctor: Doctor) -> None:
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


def test_file_is_read_once_although_two_suites_list_it(
    published: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    stream = FolderReader.stream

    def record(self: FolderReader, path: str, use: Callable[..., object]) -> object:
        read.append(path)
        return stream(self, path, use)

    monkeypatch.setattr(FolderReader, "stream", record)
    report = doctor(published)
    files = [path for path in read if path.endswith((".deb", ".rpm"))]
    assert len(files) == len(set(files)) == json.loads(report.as_json())["files"]


def test_quick_skips_package_files_and_says_so(damaged: Path, doctor: Doctor) -> None:
    (damaged / DEB).unlink()
    report = doctor(damaged, quick=True)
    assert report.exit_code == 0
    assert "not read (--quick)" in report.as_text()
    checks = [check for check in report.report.checks if check.name in PACKAGE_FILE_CHECKS]
    assert {check.name for check in checks} == PACKAGE_FILE_CHECKS
    assert {(check.state, check.not_run) for check in checks} == {(CheckState.NOT_RUN, "--quick")}
    assert "files, inside, rpm-signature (--quick)" in report.as_text()


def test_files_retained_for_lagging_clients_are_not_orphans(
    publish: Publish, repo: Path, tmp_path: Path, doctor: Doctor
) -> None:
    publish()
    publish(five(tmp_path / "next", "1.36.4"))
    publisher.remove(["=1.36.3-1"], Target(str(repo)), QuietLog())
    assert (repo / DEB).exists()
    assert doctor(repo).failed_checks == {}


def test_signatures_by_old_and_new_key_pass_during_a_rotation(publish: Publish, repo: Path, doctor: Doctor) -> None:
    publish()
    keys.rotate("default")
    publish()
    report = doctor(repo)
    assert report.failed_checks == {}
    assert report.subjects[0].description.count("RSA 4096") == 2


def test_key_option_accepts_the_name_of_a_key(key: Path, published: Path, doctor: Doctor) -> None:
    assert doctor(published, key="default").failed_checks == {}
    with pytest.raises(ConfigurationError, match="Cannot read --key nobody"):
        doctor(published, key="nobody")


def test_key_file_without_a_public_key_is_an_error(published: Path, tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "page").write_text("<html>")
    with pytest.raises(ConfigurationError, match="No public key in --key"):
        doctor(published, key=tmp_path / "page")


def test_unreadable_index_skips_the_checks_that_depend_on_it(damaged: Path, doctor: Doctor) -> None:
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


def test_part_of_a_repository_without_a_key_does_not_pass_signatures(
    published: Path, tmp_path: Path, doctor: Doctor
) -> None:
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


def test_repository_without_its_key_does_not_pass_signatures(damaged: Path, doctor: Doctor) -> None:
    for path in (*damaged.rglob("key.*"), *damaged.rglob("repomd.xml.key")):
        path.unlink()
    report = doctor(damaged)
    assert report.failed_checks == {"key": {"key"}}
    states = {(check.subject, check.name): check.state for check in report.report.checks}
    for name in ("repomd-signature", "rpm-signature"):
        assert states["yum stable", name] is CheckState.NOT_RUN
    assert states["yum stable", "inside"] is CheckState.PASSED


def test_checks_inside_packages_do_not_pass_if_no_package_could_be_read(damaged: Path, doctor: Doctor) -> None:
    for path in damaged.rglob("*.rpm"):
        path.write_bytes(b"x")
    report = doctor(damaged)
    assert report.failed_checks == {"yum stable": {"files"}, "yum v1.36": {"files"}}
    states = {(check.subject, check.name): check for check in report.report.checks}
    for name in ("inside", "rpm-signature"):
        assert states["yum stable", name].not_run == "no package file could be read"
        assert states["yum stable", name].state is CheckState.NOT_RUN


def test_suite_with_a_damaged_release_does_not_pass_checks_of_its_contents(damaged: Path, doctor: Doctor) -> None:
    (damaged / "apt/dists/stable/Release").unlink()
    (damaged / "apt/dists/stable/InRelease").write_bytes(b"garbage")
    report = doctor(damaged)
    assert report.failed_checks == {"apt stable": {"inrelease", "release-gpg"}}
    checks = {check.name: check for check in report.report.checks if check.subject == "apt stable"}
    for name in ("dates", "release-fields", "indexes", "entries"):
        assert checks[name].not_run == "the Release could not be read"
    assert checks["signature-packet"].not_run == "no signature was found"
    passed = {name for name, check in checks.items() if check.passed}
    assert not passed


def test_findings_beyond_the_limit_are_counted(damaged: Path, doctor: Doctor) -> None:
    folder = damaged / "apt/pool/main/x"
    folder.mkdir()
    for number in range(MAX_FINDINGS + 10):
        (folder / f"x_{number}.deb").write_bytes(b"")
    (check,) = doctor(damaged).report.failed
    assert len(check.findings) == MAX_FINDINGS + 1
    assert check.findings[-1].found == "and 10 more"


@pytest.mark.parametrize("data", [b"", b"Package: x\n" * 99, random.Random(405).randbytes(3000)])
@pytest.mark.parametrize("name", ["apt/dists/stable", "yum/stable/repodata"])
def test_garbage_in_any_metadata_file_is_a_finding(damaged: Path, doctor: Doctor, name: str, data: bytes) -> None:
    for path in [path for path in (damaged / name).rglob("*") if path.is_file()]:
        before = path.read_bytes()
        path.write_bytes(data)
        assert doctor(damaged, quick=True, suites=["stable"]).exit_code == 1 or path.suffix in (".html", ".key"), path
        path.write_bytes(before)


def test_rpm_signature_of_header_and_payload_is_verified(
    published: Path, session_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = rpm(tmp_path, "kubectl", "1.36.3-1")
    head = file.read_bytes()
    headers = header.read_headers(head, len(head))
    (tmp_path / "data").write_bytes(head[headers.main.start :])
    gpg = ["gpg", "--homedir", str(session_key / "keys/default"), "--batch", "--passphrase", ""]
    words = ["--pinentry-mode", "loopback", "-o", str(tmp_path / "sig"), "--detach-sign"]
    subprocess.run([*gpg, *words, str(tmp_path / "data")], check=True, capture_output=True)
    monkeypatch.setattr(rpm_signature, "SIGNATURE_TAG", 1002)
    target = tmp_path / "signed.rpm"
    signed = rpm_signature.write_signed_copy(file, head, headers, (tmp_path / "sig").read_bytes(), target)
    trusted_keys = TrustedKeys(verifier=SignatureVerifier(published / "key.gpg", tmp_path, 0))

    def failed_kinds() -> list[CheckKind]:
        data = target.read_bytes()
        import hashlib

        digest = hashlib.sha256(data).hexdigest()
        package = Package(*(Format.RPM, "kubectl", "1.36.3-1", "x86_64", digest, len(data), digest, ""), target.name)
        check = FileCheck(package, target.name, {"sha256": digest})
        return [fault.kind for fault in check_file(FolderReader(tmp_path), check, trusted_keys).faults]

    assert signed.size == target.stat().st_size
    assert failed_kinds() == []
    data = bytearray(target.read_bytes())
    data[-10] ^= 1
    target.write_bytes(data)
    assert failed_kinds() == [CheckKind.INSIDE, CheckKind.RPM_SIGNATURE]


SQV = """#!/bin/sh
[ "$1" = --help ] && echo "--policy-as-of --cleartext --output --signature-file" && exit 0
echo "$@" >> "$SQV_LOG"
case "$*" in *--policy-as-of*) echo "Policy rejected signature" >&2; exit 1;; esac
"""


def test_sqv_verifies_by_the_rules_of_today_and_of_the_horizon(
    published: Path, tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sqv").write_text(SQV)
    (tmp_path / "bin/sqv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SQV_LOG", str(tmp_path / "log"))
    report = doctor(published, suites=["stable"], quick=True, now=1_800_000_000)
    assert all("sqv" in report.failed_checks[name] for name in ("apt stable", "yum stable"))
    text = report.as_text()
    assert "sqv rejects it by the rules of 2028-01-15: Policy rejected signature" in text
    calls = (tmp_path / "log").read_text().splitlines()
    assert sum("--policy-as-of" not in line for line in calls) == 3
    assert any("--cleartext" in line for line in calls)


def test_doctor_task_prints_json_and_writes_junit(
    damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (damaged / DEB).unlink()
    report = tmp_path / "out/doctor.xml"
    words = ["kubeparcel", "doctor", str(damaged), "--json", "--junit", str(report), "--quiet"]
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 1
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
    ("command", "exit_code", "message"),
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
def test_invalid_input_fails_with_its_exit_code(
    workdir: Path, capsys: pytest.CaptureFixture[str], command: str, exit_code: int, message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["kubeparcel", *command.split()])
    assert ended.value.code == exit_code
    assert message in capsys.readouterr().err


def test_missing_gpgv_is_reported(
    published: Path, tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubeparcel.errors import ToolError

    (tmp_path / "bin").mkdir()
    for name in ("gpg", "gpgconf", "gpg-agent"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ToolError, match="gpgv is not installed"):
        doctor(published)
