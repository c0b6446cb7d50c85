"""Statements are verified for files, folders and repositories, and packages built again from them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeparcel.build.lock import lockfile
from kubeparcel.console import QuietLog
from kubeparcel.errors import ConfigurationError, UsageError
from kubeparcel.packages import limits
from kubeparcel.reports.results import CheckState
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.signing import gpg
from kubeparcel.trust.dsse import parse_envelope
from tests.attest.conftest import attest, build, findings, states
from tests.conftest import locked
from tests.support.package_builders import deb
from tests.support.web_server import serve_folder

PASSED, FAILED, NOT_RUN = {CheckState.PASSED}, {CheckState.FAILED}, {CheckState.NOT_RUN}


def kubelet(repo: Path) -> Path:
    (path,) = repo.glob("apt/pool/main/k/kubelet/*.deb")
    return path


def statement_of(package: Path) -> Path:
    return package.with_name(f"{package.name}.intoto.jsonl")


def test_a_build_is_verified_before_it_is_signed(built: Path, workdir: Path) -> None:
    report = attest(built, base=workdir, rebuild=True)
    assert states(report) == {"statement": PASSED, "signature": NOT_RUN, "materials": PASSED, "rebuild": PASSED}
    assert len(report.checks) == 40
    assert report.exit_code == 0


@pytest.mark.parametrize("key", ["key.pem", "key.asc", "key.gpg"])
def test_a_published_package_is_verified_with_the_key_of_the_repository(
    published: Path, workdir: Path, key: str
) -> None:
    report = attest(kubelet(published), base=workdir, key=str(published / key), rebuild=True)
    assert states(report) == {"statement": PASSED, "signature": PASSED, "materials": PASSED, "rebuild": PASSED}


def test_a_signed_rpm_is_built_again(published: Path, workdir: Path) -> None:
    (rpm,) = published.glob("yum/stable/packages/kubelet-*.rpm")
    report = attest(rpm, base=workdir, key=str(published / "key.pem"), rebuild=True)
    assert states(report)["rebuild"] == PASSED


def test_a_whole_repository_is_verified(published: Path, workdir: Path) -> None:
    report = attest(published, base=workdir, rebuild=True)
    assert not findings(report)
    assert {"statement", "statement-signature", "subjects", "side-files", "provenance", "rebuild"} <= states(
        report
    ).keys()
    assert sum(check.name == "rebuild" for check in report.checks) == 10


def test_a_repository_is_verified_over_http(published: Path, workdir: Path) -> None:
    with serve_folder(published) as server:
        report = attest(server.address, base=workdir)
    assert not findings(report)
    assert states(report)["provenance"] == PASSED


def test_a_repository_is_verified_in_a_bucket(built: Path, key: Path, bucket: str, workdir: Path) -> None:
    publisher.publish(built, Target(bucket), QuietLog(), skip_layout_check=True)
    report = attest(bucket, base=workdir)
    assert not findings(report)
    assert states(report)["side-files"] == PASSED


def test_an_unsigned_package_without_a_key_is_not_called_verified(published: Path, workdir: Path) -> None:
    report = attest(kubelet(published), base=workdir)
    assert "Pass --key FILE" in findings(report)["signature"]


def test_the_signature_of_another_key_is_refused(published: Path, workdir: Path, tmp_path: Path) -> None:
    with gpg.temporary_home(private_keys=True) as home:
        home.run("--quick-generate-key", "other", "nistp256", "sign", "1d", passphrase="")
        other = tmp_path / "other.asc"
        other.write_text(home.run("--armor", "--export").stdout)
    report = attest(kubelet(published), base=workdir, key=str(other))
    assert "no valid signature by it" in findings(report)["signature"]
    assert "rebuild" not in states(report)
    report = attest(published, base=workdir, key=str(other))
    assert "no signature by a trusted key" in findings(report)["statement-signature"]
    assert states(report)["subjects"] == NOT_RUN


def test_a_changed_package_is_refused(published: Path, workdir: Path) -> None:
    package = kubelet(published)
    deb(package.parent, "kubelet", "1.36.3-1")
    report = attest(package, base=workdir, key=str(published / "key.pem"))
    assert hashlib.sha256(package.read_bytes()).hexdigest() in findings(report)["statement"]
    report = attest(published, base=workdir)
    assert hashlib.sha256(package.read_bytes()).hexdigest() in findings(report)["subjects"]


def test_a_statement_about_another_package_is_refused(published: Path, workdir: Path) -> None:
    (other,) = published.glob("apt/pool/main/k/kubeadm/*.jsonl")
    statement_of(kubelet(published)).write_bytes(other.read_bytes())
    report = attest(kubelet(published), base=workdir, key=str(published / "key.pem"))
    assert "Do not install it" in findings(report)["statement"]
    assert "side-files" in findings(attest(published, base=workdir))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda data: b"[" * 60_000, "above the limit json-depth"),
        (lambda data: data[: len(data) // 2], "not valid JSON"),
        (lambda data: data.replace(b'"payload":"', b'"payload":"AAA'), "not base64, or is truncated"),
        (lambda data: data.replace(b'{"payloadType"', b'{"payloadType":"text/plain","payloadType"'), "duplicate key"),
        (lambda data: data.replace(b"vnd.in-toto+json", b"vnd.other+json"), "has the payload type"),
        (lambda data: json.dumps({**json.loads(data), "signatures": []}).encode(), "is not signed"),
    ],
)
def test_a_damaged_envelope_is_refused(
    published: Path, workdir: Path, damage: Callable[[bytes], bytes], problem: str
) -> None:
    path = statement_of(kubelet(published))
    path.write_bytes(damage(path.read_bytes()))
    assert problem in findings(attest(kubelet(published), base=workdir, key=str(published / "key.pem")))["statement"]


def test_other_materials_than_the_lock_names_are_refused(built: Path, workdir: Path) -> None:
    lock = (workdir / lockfile.NAME).read_text()
    first = next(line for line in lock.splitlines() if "digest:" in line).split("sha256:")[1][:10]
    (workdir / lockfile.NAME).write_text(lock.replace(first, "0" * 10))
    report = attest(built, base=workdir)
    assert "find out which is right" in findings(report)["materials"]


def test_a_lock_of_another_release_is_not_compared(built: Path, workdir: Path, tmp_path: Path) -> None:
    report = attest(built, base=tmp_path / "elsewhere")
    assert states(report)["materials"] == NOT_RUN
    assert not report.failed


def test_a_package_that_cannot_be_built_again_names_the_first_difference(built: Path, workdir: Path) -> None:
    path = built / "attestations/kubelet_1.36.3-1_amd64.deb.intoto.json"
    document = json.loads(path.read_bytes())
    document["predicate"]["buildDefinition"]["externalParameters"]["settings"]["maintainer"] = (
        "Eve <eve@example.invalid>"
    )
    path.write_text(json.dumps(document))
    report = attest(built / "deb/kubelet_1.36.3-1_amd64.deb", base=workdir, rebuild=True)
    assert "maintainer; first at byte " in findings(report)["rebuild"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"compression": "none"}, "the settings in its statement are invalid"),
        ({"revision": "7"}, "do not give a package of this name"),
    ],
)
def test_invalid_parameters_are_no_traceback(built: Path, workdir: Path, change: dict[str, str], problem: str) -> None:
    path = built / "attestations/kubelet_1.36.3-1_amd64.deb.intoto.json"
    document = json.loads(path.read_bytes())
    document["predicate"]["buildDefinition"]["externalParameters"]["settings"] |= change
    path.write_text(json.dumps(document))
    report = attest(built / "deb/kubelet_1.36.3-1_amd64.deb", base=workdir, rebuild=True)
    assert problem in findings(report)["rebuild"]


def change_statement(built: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Change the unsigned statement about the kubelet's deb; return the package."""
    path = built / "attestations/kubelet_1.36.3-1_amd64.deb.intoto.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    return built / "deb/kubelet_1.36.3-1_amd64.deb"


def rename_subject(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["subject"][0].update(name=name)


def add_subject(document: dict[str, Any]) -> None:
    document["subject"].append({**document["subject"][0], "name": "other.deb"})


@pytest.mark.parametrize(
    "change",
    [rename_subject("../../kubelet.deb"), rename_subject("/tmp/kubelet.deb"), rename_subject("profile"), add_subject],
)
def test_a_statement_about_anything_but_one_package_file_is_refused(
    built: Path, workdir: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    report = attest(change_statement(built, change), base=workdir, rebuild=True)
    assert "package" in findings(report)["statement"]
    assert "rebuild" not in states(report)


def test_an_unsigned_statement_is_refused_if_a_key_is_required(published: Path, built: Path, workdir: Path) -> None:
    report = attest(built / "deb/kubelet_1.36.3-1_amd64.deb", base=workdir, key=str(published / "key.pem"))
    assert "not signed" in findings(report)["signature"]
    assert report.exit_code == 1


def test_a_repository_that_offers_no_key_is_not_called_verified(published: Path, workdir: Path) -> None:
    for path in [*published.rglob("*.asc"), *published.rglob("*.gpg"), *published.rglob("*.key")]:
        path.unlink()
    report = attest(published, base=workdir, rebuild=True)
    assert "Pass --key FILE" in findings(report)["signature"]
    assert "rebuild" not in states(report)


def test_the_lock_of_the_package_is_found_among_those_of_several_releases(built: Path, workdir: Path) -> None:
    path = workdir / lockfile.NAME
    own = lockfile.read_all(path)[0]
    lockfile.write_all([locked("1.35.4", "1.35.0", "1.8.0"), own], path)
    assert states(attest(built, base=workdir))["materials"] == {CheckState.PASSED}
    text = path.read_text()
    first = next(line for line in text.partition("1.36.3")[2].splitlines() if "digest:" in line).split("sha256:")[1][
        :10
    ]
    path.write_text(text.replace(first, "0" * 10))
    assert CheckState.FAILED in states(attest(built, base=workdir))["materials"]


def test_a_lock_without_the_component_of_a_package_is_not_compared(built: Path, workdir: Path) -> None:
    path = workdir / lockfile.NAME
    document = yaml.safe_load(path.read_text())
    del document["components"]["cni"], document["request"]["cni"]
    path.write_text(yaml.safe_dump(document))
    report = attest(built, base=workdir)
    assert states(report)["materials"] > NOT_RUN
    assert not report.failed


@pytest.mark.parametrize("settings", [[1, 2], "text", {"packages": 7}, {"packages": {"other": {"component": "etcd"}}}])
def test_settings_of_any_type_are_no_traceback(built: Path, workdir: Path, settings: object) -> None:
    def change(document: dict[str, Any]) -> None:
        document["predicate"]["buildDefinition"]["externalParameters"]["settings"] = settings

    assert "rebuild" in findings(attest(change_statement(built, change), base=workdir, rebuild=True))


@pytest.mark.parametrize("time", [2**70, True, "now"])
def test_a_time_that_no_package_can_have_is_no_traceback(built: Path, workdir: Path, time: object) -> None:
    def change(document: dict[str, Any]) -> None:
        document["predicate"]["buildDefinition"]["internalParameters"]["time"] = time

    assert "rebuild" in states(attest(change_statement(built, change), base=workdir, rebuild=True))


def test_a_lock_that_contradicts_the_materials_is_refused(built: Path, workdir: Path) -> None:
    """The package is what the lock gives, but the statement claims another origin."""

    def change(document: dict[str, Any]) -> None:
        materials = document["predicate"]["buildDefinition"]["resolvedDependencies"]
        materials[0]["digest"]["sha256"] = "0" * 64

    report = attest(change_statement(built, change), base=workdir, rebuild=True)
    assert "used, but not listed" in findings(report)["rebuild"]
    assert "contradict each other" in findings(report)["materials"]


def test_the_users_files_are_materials(built: Path, workdir: Path) -> None:
    (workdir / "motd").write_text("one\n")
    (workdir / "kubeparcel.yaml").write_text(
        "packages:\n  kubelet:\n    files:\n      - {path: /usr/share/kubelet/motd, source: motd}\n"
    )
    build(workdir)
    package = built / "deb/kubelet_1.36.3-1_amd64.deb"
    assert states(attest(package, base=workdir, rebuild=True))["rebuild"] == PASSED
    (workdir / "motd").write_text("two\n")
    report = attest(package, base=workdir, rebuild=True)
    assert states(report)["rebuild"] == FAILED
    assert "in the folder of the kubeparcel.yaml" in findings(report)["rebuild"]


def test_wrong_use_is_explained(published: Path, workdir: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="No packages"):
        attest(tmp_path / "empty", base=workdir)
    with pytest.raises(UsageError, match="no such file or folder"):
        attest(tmp_path / "missing", base=workdir)
    (tmp_path / "no.key").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    for key in ("no.key", "missing.key"):
        with pytest.raises(ConfigurationError, match=key):
            attest(kubelet(published), base=workdir, key=str(tmp_path / key))


def test_the_documented_commands_verify_a_mirror_without_us(published: Path, tmp_path: Path) -> None:
    """The third of three commands; tests/repository/test_cosign.py runs the second."""
    home = {**os.environ, "GNUPGHOME": str(tmp_path)}
    argv = ["gpgv", "--keyring", "./key.gpg", "key.pem.asc", "key.pem"]
    subprocess.run(argv, cwd=published, env=home, check=True, capture_output=True)
    data = (published / "attestations/repository.intoto.jsonl").read_bytes()
    subjects = json.loads(parse_envelope(data, "x").payload)["subject"]
    lines = "".join(f"{subject['digest']['sha256']}  {subject['name']}\n" for subject in subjects)
    subprocess.run(
        ["sha256sum", "--check", "--strict"], cwd=published, input=lines.encode(), check=True, capture_output=True
    )


def test_equal_builds_give_equal_statements(built: Path, workdir: Path) -> None:
    before = {path.name: path.read_bytes() for path in (built / "attestations").iterdir()}
    shutil.rmtree(built / "attestations")
    build(workdir)
    assert {path.name: path.read_bytes() for path in (built / "attestations").iterdir()} == before


def test_an_endless_file_is_not_read_to_its_end(
    published: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FILE", dataclasses.replace(limits.FILE, default=50))
    assert "the file is above the limit file-size of 50" in findings(attest(published, base=workdir))["subjects"]
