"""Signatures by gpg-agent that programs without OpenPGP verify."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from kubeparcel.errors import ToolError
from kubeparcel.repository.signing import gpg, keyring, raw_signature
from kubeparcel.repository.signing.gpg import GpgHome
from kubeparcel.repository.signing.loaded_key import load_key
from kubeparcel.repository.signing.signer import Signer

ALGORITHMS = ("rsa2048", "nistp256", "nistp384", "ed25519")
PASSPHRASE = 'a "pass" %41 phrase\\'


@pytest.fixture(scope="module")
def home() -> Iterator[GpgHome]:
    """A home with a key of each algorithm, and one with a passphrase."""
    with gpg.temporary_home(private_keys=True) as home:
        for algorithm in ALGORITHMS:
            home.run("--quick-generate-key", algorithm, algorithm, "sign", "1d", passphrase="")
        home.run("--quick-generate-key", "subkey", "rsa2048", "cert", "1d", passphrase="")
        home.run("--quick-add-key", fingerprint(home, "subkey"), "rsa2048", "sign", "1d", passphrase="")
        home.run("--quick-generate-key", "locked", "rsa2048", "sign", "1d", passphrase=PASSPHRASE)
        home.run("--quick-generate-key", "secret", "nistp256", "sign", "1d", passphrase=PASSPHRASE)
        yield home


def fingerprint(home: GpgHome, name: str) -> str:
    return next(key.fingerprint for key in keyring.list_keys(home) if key.user_id == name)


@pytest.mark.parametrize("algorithm", ALGORITHMS[:3])
def test_openssl_verifies_signatures(home, algorithm, tmp_path):
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


def test_many_signatures_by_a_loaded_key_are_those_of_the_agent(home):
    name = fingerprint(home, "rsa2048")
    messages = [b"statement %d" % number for number in range(5)]
    assert load_key(home, name)
    assert raw_signature.sign(home, name, messages) == [
        signature for message in messages for signature in raw_signature.sign(home, name, [message])
    ]


@pytest.mark.parametrize("name", ["rsa2048", "subkey"])
def test_rpm_signatures_by_a_loaded_key_are_those_of_gpg(home, name):
    key = next(key for key in keyring.list_keys(home) if key.user_id == name)
    signer = Signer(home, (key,), moment=key.created + 60)
    assert load_key(home, key.signing_fingerprint)
    signed_by_gpg = signer._sign(b"a header", signer.fingerprints, "--detach-sign")
    assert signer.sign_binary(b"a header") == signed_by_gpg


def test_only_rsa_keys_without_a_passphrase_are_loaded(home, monkeypatch):
    monkeypatch.setenv(gpg.PASSPHRASE_VARIABLE, PASSPHRASE)
    loaded = {key.user_id for key in keyring.list_keys(home) if load_key(home, key.signing_fingerprint)}
    assert loaded == {"rsa2048", "subkey"}


def test_a_key_that_signs_no_digests_is_refused(home):
    with pytest.raises(raw_signature.UnsupportedKey, match="RSA and NIST's ECDSA keys only"):
        raw_signature.sign(home, fingerprint(home, "ed25519"), [b"a statement"])


def test_a_wrong_passphrase_is_named_and_the_right_one_signs(home, monkeypatch):
    name = fingerprint(home, "secret")
    subprocess.run(["gpg-connect-agent", "--homedir", str(home.folder), "RELOADAGENT", "/bye"], check=True)
    monkeypatch.setenv(gpg.PASSPHRASE_VARIABLE, "wrong")
    with pytest.raises(ToolError, match="Bad passphrase for the signing key"):
        raw_signature.sign(home, name, [b"a statement"])
    monkeypatch.setenv(gpg.PASSPHRASE_VARIABLE, PASSPHRASE)
    (signature,) = raw_signature.sign(home, name, [b"a statement"])
    assert raw_signature.public_key(home, name).verifies(signature, b"a statement")


def test_a_passphrase_that_cannot_be_asked_for_is_explained(home, monkeypatch):
    subprocess.run(["gpg-connect-agent", "--homedir", str(home.folder), "RELOADAGENT", "/bye"], check=True)
    monkeypatch.delenv(gpg.PASSPHRASE_VARIABLE, raising=False)
    with pytest.raises(ToolError, match="no terminal to prompt on"):
        raw_signature.sign(home, fingerprint(home, "secret"), [b"a statement"])
