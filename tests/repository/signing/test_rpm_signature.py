"""Publishing trusts the signature of an rpm only after verifying it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.packages.rpm import header
from kubeparcel.repository.signing import rpm_signature
from kubeparcel.repository.signing.signer import Signer, open_signer
from tests.support import client_view, package_builders

Sign = Callable[[Signer, bytes], bytes]


def read_header(path: Path) -> bytes:
    """The bytes that a signature of the header is over."""
    data = path.read_bytes()
    headers = header.read_headers(data, len(data))
    return data[headers.main.start : headers.main.end]


def sign_rpm(path: Path, target: Path, sign: Sign) -> Path:
    """Put a signature made by `sign` into a copy of an rpm."""
    data = path.read_bytes()
    headers = header.read_headers(data, len(data))
    with open_signer("", QuietLog()) as signer:
        signature = sign(signer, read_header(path))
    target.parent.mkdir(exist_ok=True)
    rpm_signature.write_signed_copy(path, data, headers, signature, target)
    return target


def genuine(signer: Signer, header: bytes) -> bytes:
    return signer.sign_binary(header)


def of_another_header(signer: Signer, header: bytes) -> bytes:
    """A genuine signature of our key, but of other bytes."""
    return signer.sign_binary(b"another header")


def garbage(signer: Signer, header: bytes) -> bytes:
    """A signature packet that names our key; its number is arbitrary."""
    packet = bytearray(signer.sign_binary(header))
    packet[-64:] = bytes(64)
    return bytes(packet)


def followed_by_another(signer: Signer, header: bytes) -> bytes:
    """Two packets in one: the second one is genuine."""
    return garbage(signer, header) + genuine(signer, header)


@pytest.fixture
def rpm(tmp_path: Path) -> Path:
    return package_builders.rpm(tmp_path / "unsigned", "alpha", "1.0-1")


@pytest.fixture
def signed(tmp_path: Path, rpm: Path) -> Path:
    """Where the copy with a signature is written; `publish` takes its folder."""
    return tmp_path / "signed" / rpm.name


def check_with_rpm(repo: Path, tmp_path: Path) -> str:
    """Import the repository's key into an rpm database and check the published package."""
    command = ["rpm", "--dbpath", str(tmp_path / "rpmdb")]
    subprocess.run([*command, "--import", repo / "key.asc"], check=True)
    (package,) = (repo / "yum/stable/packages").glob("*.rpm")
    checked = subprocess.run([*command, "-Kv", package], capture_output=True, text=True, check=True).stdout
    assert "Header V4 RSA/SHA512 Signature" in checked
    return checked


@pytest.mark.parametrize("forge", [of_another_header, garbage, followed_by_another])
def test_publish_signs_an_rpm_with_a_forged_signature_of_our_key(publish, repo, tmp_path, rpm, signed, forge):
    sign_rpm(rpm, signed, forge)
    publish(signed.parent, suite="stable")
    (package,) = (repo / "yum/stable/packages").glob("*.rpm")
    assert package.read_bytes() != signed.read_bytes()
    assert "NOT OK" not in check_with_rpm(repo, tmp_path)
    client_view.read_yum_suite(repo, "stable")


def test_publish_verifies_signatures_of_cached_packages_too(publish, repo, tmp_path, rpm, signed):
    sign_rpm(rpm, signed, of_another_header)
    publish(signed.parent, suite="stable", dry_run=True)
    publish(signed.parent, suite="stable")
    assert "NOT OK" not in check_with_rpm(repo, tmp_path)


def test_publish_keeps_an_rpm_that_our_key_has_signed(publish, repo, rpm, signed):
    sign_rpm(rpm, signed, genuine)
    publish(signed.parent, suite="stable")
    (package,) = (repo / "yum/stable/packages").glob("*.rpm")
    assert package.read_bytes() == signed.read_bytes()


def test_signature_of_header_and_payload_is_not_one_of_the_header(publish, rpm, signed, monkeypatch):
    monkeypatch.setattr(rpm_signature, "SIGNATURE_TAG", 1002)
    sign_rpm(rpm, signed, genuine)
    data = signed.read_bytes()
    headers = header.read_headers(data, len(data))
    with open_signer("", QuietLog()) as signer:
        certificates = signer.export_public_keys(armored=False)
    assert rpm_signature.package_signatures(headers)
    assert not rpm_signature.verified_signers(data, headers, certificates)
