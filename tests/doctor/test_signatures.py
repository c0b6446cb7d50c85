"""Signatures are verified with the keys that are trusted, by gpgv or sqv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from kubeparcel.doctor.findings import CheckKind
from kubeparcel.doctor.keys import TrustedKeys, certificate_keys
from kubeparcel.doctor.package_contents import FileCheck
from kubeparcel.doctor.package_files import check_file
from kubeparcel.doctor.reader import FolderReader
from kubeparcel.doctor.signature_check import SignatureVerifier
from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.files import sha256_of
from kubeparcel.model import Format
from kubeparcel.packages.rpm import header
from kubeparcel.repository.package import Package
from kubeparcel.repository.signing import gpg, keys, openpgp, rpm_signature
from kubeparcel.repository.signing.gpg import GpgHome
from kubeparcel.repository.signing.keyring import list_keys
from tests.support.package_builders import rpm
from tests.support.programs import write_program


def test_signatures_by_old_and_new_key_pass_during_a_rotation(publish, repo, doctor):
    publish()
    rotated = keys.rotate("default")
    publish()
    report = doctor(repo)
    assert report.failed_checks == {}
    assert re.findall(r"RSA \d+ …\w{16}", report.subjects[0].description) == [
        f"RSA {bits} …{key[-16:]}" for bits, key in ((4096, rotated.previous), (2048, rotated.current))
    ]


def test_key_option_accepts_the_name_of_a_key(key, published, doctor):
    assert doctor(published, key="default").failed_checks == {}
    with pytest.raises(ConfigurationError, match="Cannot read --key nobody"):
        doctor(published, key="nobody")


def test_key_file_without_a_public_key_is_an_error(published, tmp_path, doctor):
    (tmp_path / "page").write_text("<html>")
    with pytest.raises(ConfigurationError, match="No public key in --key"):
        doctor(published, key=tmp_path / "page")


def test_rpm_signature_of_header_and_payload_is_verified(published, session_key, tmp_path, monkeypatch):
    file = rpm(tmp_path, "kubectl", "1.36.3-1")
    head = file.read_bytes()
    headers = header.read_headers(head, len(head))
    (tmp_path / "data").write_bytes(head[headers.main.start :])
    command = ["gpg", "--homedir", str(session_key / "keys/default"), "--batch", "--passphrase", ""]
    words = ["--pinentry-mode", "loopback", "-o", str(tmp_path / "sig"), "--detach-sign"]
    subprocess.run([*command, *words, str(tmp_path / "data")], check=True, capture_output=True)
    monkeypatch.setattr(rpm_signature, "SIGNATURE_TAG", 1002)
    target = tmp_path / "signed.rpm"
    signed = rpm_signature.write_signed_copy(file, head, headers, (tmp_path / "sig").read_bytes(), target)
    trusted_keys = TrustedKeys(verifier=SignatureVerifier(published / "key.gpg", tmp_path, 0))

    def failed_kinds() -> list[CheckKind]:
        digest, size = sha256_of(target), target.stat().st_size
        package = Package(*(Format.RPM, "kubectl", "1.36.3-1", "x86_64", digest, size, digest, ""), target.name)
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


def test_sqv_verifies_by_the_rules_of_today_and_of_the_horizon(published, tmp_path, doctor, monkeypatch):
    write_program(tmp_path / "bin/sqv", SQV)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SQV_LOG", str(tmp_path / "log"))
    report = doctor(published, suites=["stable"], quick=True, now=1_800_000_000)
    assert all("sqv" in report.failed_checks[name] for name in ("apt stable", "yum stable"))
    text = report.as_text()
    assert "sqv rejects it by the rules of 2028-01-15: Policy rejected signature" in text
    calls = (tmp_path / "log").read_text().splitlines()
    assert sum("--policy-as-of" not in line for line in calls) == 3
    assert any("--cleartext" in line for line in calls)


def test_missing_gpgv_is_reported(published, tmp_path, doctor, monkeypatch):
    (tmp_path / "bin").mkdir()
    for name in ("gpg", "gpgconf", "gpg-agent"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ToolError, match="gpgv is not installed"):
        doctor(published)


def exported(home: GpgHome) -> bytes:
    return openpgp.dearmor(home.run("--armor", "--export").stdout.encode())


def test_a_revoked_key_verifies_no_statement():
    with gpg.temporary_home(private_keys=True) as home:
        home.run("--quick-generate-key", "owner", "nistp256", "sign", "1d", passphrase="")
        (key,) = list_keys(home)
        assert [trusted.key_id for trusted in certificate_keys(exported(home))] == [key.fingerprint]
        revocation = home.folder / "openpgp-revocs.d" / f"{key.fingerprint}.rev"
        revocation.write_text(revocation.read_text().replace(":-----BEGIN", "-----BEGIN"))
        home.run("--import", revocation)
        assert certificate_keys(exported(home)) == ()
