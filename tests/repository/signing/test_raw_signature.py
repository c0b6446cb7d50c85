"""Signatures by gpg-agent that programs without OpenPGP verify."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.errors import ToolError
from kubeparcel.repository.signing import gpg, keyring, raw_signature
from kubeparcel.repository.signing.gpg import GpgHome

ALGORITHMS = ("rsa2048", "nistp256", "nistp384", "ed25519")
PASSPHRASE = 'a "pass" %41 phrase\\'


@pytest.fixture(scope="module")
def home() -> Iterator[GpgHome]:
    """A home with a key of each algorithm, and one with a passphrase."""
    with gpg.temporary_home(private_keys=True) as home:
        for algorithm in ALGORITHMS:
            home.run("--quick-generate-key", algorithm, algorithm, "sign", "1d", passphrase="")
        home.run("--quick-generate-key", "secret", "nistp256", "sign", "1d", passphrase=PASSPHRASE)
        yield home


def fingerprint(home: GpgHome, name: str) -> str:
    return next(key.fingerprint for key in keyring.list_keys(home) if key.user_id == name)


@pytest.mark.parametrize("algorithm", ALGORITHMS[:3])
def test_openssl_verifies_signatures(home: GpgHome, algorithm: str, tmp_path: Path) -> None:
    name = fingerprint(home, algorithm)
    messages = [b"", b"a statement", b"x" * 1_000_000]
    signatures = raw_signature.sign(home, name, messages)
    (tmp_path / "pem").write_bytes(raw_signature.public_key(home, name).pem)
    digest = raw_signature.public_key(home, name).digest_algorithm
    for message, signature in zip(messages, signatures, strict=True):
        (tmp_path / "message").write_bytes(message)
        (tmp_path / "signature").write_bytes(signature)
        argv = ["openssl", "dgst", f"-{digest}", "-verify", "pem", "-signature", "signature", "message"]
        subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
        assert raw_signature.public_key(home, name).verifies(signature, message)
        assert not raw_signature.public_key(home, name).verifies(signature, message + b"!")


def test_a_key_that_signs_no_digests_is_refused(home: GpgHome) -> None:
    with pytest.raises(raw_signature.UnsupportedKey, match="RSA and NIST's ECDSA keys only"):
        raw_signature.sign(home, fingerprint(home, "ed25519"), [b"a statement"])


def test_a_wrong_passphrase_is_named_and_the_right_one_signs(home: GpgHome, monkeypatch: pytest.MonkeyPatch) -> None:
    name = fingerprint(home, "secret")
    subprocess.run(["gpg-connect-agent", "--homedir", str(home.folder), "RELOADAGENT", "/bye"], check=True)
    monkeypatch.setenv(gpg.PASSPHRASE_VARIABLE, "wrong")
    with pytest.raises(ToolError, match="Bad passphrase for the signing key"):
        raw_signature.sign(home, name, [b"a statement"])
    monkeypatch.setenv(gpg.PASSPHRASE_VARIABLE, PASSPHRASE)
    (signature,) = raw_signature.sign(home, name, [b"a statement"])
    assert raw_signature.public_key(home, name).verifies(signature, b"a statement")


def test_a_passphrase_that_cannot_be_asked_for_is_explained(home: GpgHome, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["gpg-connect-agent", "--homedir", str(home.folder), "RELOADAGENT", "/bye"], check=True)
    monkeypatch.delenv(gpg.PASSPHRASE_VARIABLE, raising=False)
    with pytest.raises(ToolError, match="no terminal to prompt on"):
        raw_signature.sign(home, fingerprint(home, "secret"), [b"a statement"])
