"""Statements that are refused: other keys and packages, damaged, hostile and unsigned ones."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from kubeparcel.packages import limits
from kubeparcel.repository.signing import gpg
from tests.attest.conftest import NOT_RUN, attest, change_statement, findings, kubelet, statement_of, states
from tests.support.package_builders import deb


def test_an_unsigned_package_without_a_key_is_not_called_verified(published):
    report = attest(kubelet(published))
    assert "Pass --key FILE" in findings(report)["signature"]


def test_the_signature_of_another_key_is_refused(published, tmp_path):
    with gpg.temporary_home(private_keys=True) as home:
        home.run("--quick-generate-key", "other", "nistp256", "sign", "1d", passphrase="")
        other = tmp_path / "other.asc"
        other.write_text(home.run("--armor", "--export").stdout)
    report = attest(kubelet(published), key=other)
    assert "no valid signature by it" in findings(report)["signature"]
    assert "rebuild" not in states(report)
    report = attest(published, key=other)
    assert "no signature by a trusted key" in findings(report)["statement-signature"]
    assert states(report)["subjects"] == NOT_RUN


def test_a_changed_package_is_refused(published):
    package = kubelet(published)
    deb(package.parent, "kubelet", "1.36.3-1")
    report = attest(package, key=published / "key.pem")
    assert hashlib.sha256(package.read_bytes()).hexdigest() in findings(report)["statement"]
    report = attest(published)
    assert hashlib.sha256(package.read_bytes()).hexdigest() in findings(report)["subjects"]


def test_a_statement_about_another_package_is_refused(published):
    (other,) = published.glob("apt/pool/main/k/kubeadm/*.jsonl")
    statement_of(kubelet(published)).write_bytes(other.read_bytes())
    report = attest(kubelet(published), key=published / "key.pem")
    assert "Do not install it" in findings(report)["statement"]
    assert "side-files" in findings(attest(published))


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
def test_a_damaged_envelope_is_refused(published, damage, problem):
    path = statement_of(kubelet(published))
    path.write_bytes(damage(path.read_bytes()))
    assert problem in findings(attest(kubelet(published), key=published / "key.pem"))["statement"]


def rename_subject(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["subject"][0].update(name=name)


def add_subject(document: dict[str, Any]) -> None:
    document["subject"].append({**document["subject"][0], "name": "other.deb"})


@pytest.mark.parametrize(
    "change",
    [rename_subject("../../kubelet.deb"), rename_subject("/tmp/kubelet.deb"), rename_subject("profile"), add_subject],
)
def test_a_statement_about_anything_but_one_package_file_is_refused(built, change):
    report = attest(change_statement(built, change), rebuild=True)
    assert "package" in findings(report)["statement"]
    assert "rebuild" not in states(report)


def test_an_unsigned_statement_is_refused_if_a_key_is_required(published, built):
    report = attest(built / "deb/kubelet_1.36.3-1_amd64.deb", key=published / "key.pem")
    assert "not signed" in findings(report)["signature"]
    assert report.exit_code == 1


def test_a_repository_that_offers_no_key_is_not_called_verified(published):
    for path in [*published.rglob("*.asc"), *published.rglob("*.gpg"), *published.rglob("*.key")]:
        path.unlink()
    report = attest(published, rebuild=True)
    assert "Pass --key FILE" in findings(report)["signature"]
    assert "rebuild" not in states(report)


def test_an_endless_file_is_not_read_to_its_end(published, monkeypatch):
    monkeypatch.setattr(limits, "FILE", dataclasses.replace(limits.FILE, default=50))
    assert "the file is above the limit file-size of 50" in findings(attest(published))["subjects"]
