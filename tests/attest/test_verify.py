"""Statements are verified for files, folders, repositories and buckets, and by the documented commands."""

import json
import os
import subprocess

import pytest

from kubeparcel.errors import ConfigurationError, UsageError
from kubeparcel.trust.dsse import parse_envelope
from tests.attest.conftest import NOT_RUN, PASSED, attest, findings, kubelet, states
from tests.support.repository_fixtures import publish_folder
from tests.support.web_server import serve_folder


def test_a_build_is_verified_before_it_is_signed(built):
    report = attest(built, rebuild=True)
    assert states(report) == {"statement": PASSED, "signature": NOT_RUN, "materials": PASSED, "rebuild": PASSED}
    assert len(report.checks) == 40
    assert report.exit_code == 0


@pytest.mark.parametrize("key", ["key.pem", "key.asc", "key.gpg"])
def test_a_published_package_is_verified_with_the_key_of_the_repository(published, key):
    report = attest(kubelet(published), key=published / key, rebuild=True)
    assert states(report) == {"statement": PASSED, "signature": PASSED, "materials": PASSED, "rebuild": PASSED}


def test_a_whole_repository_is_verified(published):
    report = attest(published, rebuild=True)
    assert not findings(report)
    assert {"statement", "statement-signature", "subjects", "side-files", "provenance", "rebuild"} <= states(
        report
    ).keys()
    assert sum(check.name == "rebuild" for check in report.checks) == 10


def test_a_repository_is_verified_over_http(published):
    with serve_folder(published) as server:
        report = attest(server.address)
    assert not findings(report)
    assert states(report)["provenance"] == PASSED


def test_a_repository_is_verified_in_a_bucket(built, key, bucket):
    publish_folder(built, bucket)
    report = attest(bucket)
    assert not findings(report)
    assert states(report)["side-files"] == PASSED


def test_wrong_use_is_explained(published, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="No packages"):
        attest(tmp_path / "empty")
    with pytest.raises(UsageError, match="no such file or folder"):
        attest(tmp_path / "missing")
    (tmp_path / "no.key").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    for key in ("no.key", "missing.key"):
        with pytest.raises(ConfigurationError, match=key):
            attest(kubelet(published), key=tmp_path / key)


def test_the_documented_commands_verify_a_mirror_without_us(published, tmp_path):
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
