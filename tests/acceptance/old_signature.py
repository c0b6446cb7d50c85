"""Makes version 3 signatures (RFC 4880, 5.2.2), which GnuPG no longer makes."""

from __future__ import annotations

import hashlib
import subprocess
import time

from kubeparcel.repository.signing.openpgp import packets
from tests.acceptance.doctor_peers import GpgSigner

_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


def sign_version_3(signer: GpgSigner, data: bytes) -> bytes:
    """Return a binary version 3 signature by an RSA key without a passphrase."""
    command = ["gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    secret = subprocess.run([*command, "--export-secret-keys"], env=signer.env, check=True, capture_output=True).stdout
    body = next(packet.body for packet in packets(secret) if str(packet.tag) == "Tag.SecretKey")
    modulus, at = _number(body, 6)
    public, at = _number(body, at)
    assert body[at] == 0, "the key has a passphrase"
    private, _ = _number(body, at + 1)
    fingerprint = hashlib.sha1(b"\x99" + (at).to_bytes(2, "big") + body[:at]).digest()
    signed = b"\0" + int(time.time()).to_bytes(4, "big")
    digest = hashlib.sha256(data + signed).digest()
    size = (modulus.bit_length() + 7) // 8
    padding = b"\xff" * (size - 3 - len(_SHA256) - len(digest))
    block = int.from_bytes(b"\0\1" + padding + b"\0" + _SHA256 + digest, "big")
    number = pow(block, private, modulus)
    assert pow(number, public, modulus) == block
    body = b"\3\5" + signed + fingerprint[-8:] + b"\1\x08" + digest[:2] + _packed(number)
    return b"\x89" + len(body).to_bytes(2, "big") + body


def _number(body: bytes, at: int) -> tuple[int, int]:
    size = (int.from_bytes(body[at : at + 2], "big") + 7) // 8
    return int.from_bytes(body[at + 2 : at + 2 + size], "big"), at + 2 + size


def _packed(number: int) -> bytes:
    size = number.bit_length()
    return size.to_bytes(2, "big") + number.to_bytes((size + 7) // 8, "big")
