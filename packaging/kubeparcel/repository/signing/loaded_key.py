"""Private RSA keys in memory, for many signatures: OpenSSL takes 1.5 ms for one by RSA-4096, gpg-agent 20 to 30 ms.

Only keys that gpg-agent keeps without a passphrase are loaded; others stay with the agent, as on smart cards.
"""

from __future__ import annotations

import functools
import hashlib
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from kubeparcel.process import run
from kubeparcel.repository.signing import openpgp
from kubeparcel.repository.signing.gpg import GpgHome, keygrip
from kubeparcel.repository.signing.secret_folder import secret_folder

_RSA, _SHA512, _BINARY = 1, 10, 0  # RFC 4880, 9.1, 9.4 and 5.2.1
_KEY_START = 6
"""Where the numbers of a key packet begin, after its version, time and algorithm."""


@dataclass(frozen=True)
class LoadedKey:
    """A private RSA key of cryptography, and the fingerprint of its OpenPGP key."""

    fingerprint: str
    key: Any

    def sign(self, digest: bytes, algorithm: str) -> bytes:
        """Return the signature (PKCS #1 v1.5) of a digest by the algorithm sha256 or sha512."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

        hash_ = {"sha256": hashes.SHA256, "sha512": hashes.SHA512}[algorithm]()
        signature: bytes = self.key.sign(digest, padding.PKCS1v15(), Prehashed(hash_))
        return signature

    def openpgp_signature(self, data: bytes, moment: int) -> bytes:
        """Return the OpenPGP signature of binary data that gpg makes at that time (RFC 4880, 5.2.3); 0 is now."""
        name = bytes.fromhex(self.fingerprint)
        created = (moment or int(time.time())).to_bytes(4, "big")
        hashed = bytes([len(name) + 2, 33, 4]) + name + b"\x05\x02" + created
        start = bytes([4, _BINARY, _RSA, _SHA512]) + len(hashed).to_bytes(2, "big") + hashed
        digest = hashlib.sha512(data + start + b"\x04\xff" + len(start).to_bytes(4, "big")).digest()
        number = int.from_bytes(self.sign(digest, "sha512"), "big")
        mpi = number.bit_length().to_bytes(2, "big") + number.to_bytes((number.bit_length() + 7) // 8, "big")
        body = start + b"\x00\x0a\x09\x10" + name[-8:] + digest[:2] + mpi
        return b"\x89" + len(body).to_bytes(2, "big") + body


@functools.lru_cache(16)
def load_key(home: GpgHome, fingerprint: str) -> LoadedKey | None:
    """Return the private key of a key or subkey.

    None if it has a passphrase, is on a smart card or not RSA, or if cryptography is not installed.
    """
    if find_spec("cryptography") is None:
        return None
    command = f"KEYINFO {keygrip(home, fingerprint)}"
    listed = run(["gpg-connect-agent", command, "/bye"], env=home.environment, check=False).stdout.split()
    if listed[:2] != ["S", "KEYINFO"] or listed[3] != "D" or listed[7] != "C":  # on disk, and in the clear
        return None
    with secret_folder() as folder:
        target = folder / "key"
        home.run(
            "--pinentry-mode", "cancel", "--output", target, "--export-secret-keys", f"{fingerprint}!", check=False
        )
        data = target.read_bytes() if target.exists() else b""
    return _rsa_key(openpgp.secret_key(data, fingerprint), fingerprint)


def _rsa_key(body: bytes, fingerprint: str) -> LoadedKey | None:
    """Return the key in an unprotected packet with the numbers n, e, d, p, q and u (RFC 4880, 5.5.3)."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    if len(body) < _KEY_START or body[5] != _RSA:
        return None
    (n, e), end = _numbers(body, _KEY_START, 2)
    if body[end : end + 1] != b"\0":
        return None
    (d, p, q), _ = _numbers(body, end + 1, 3)
    parts = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    private = rsa.RSAPrivateNumbers(p, q, d, *parts, rsa.RSAPublicNumbers(e, n))
    return LoadedKey(fingerprint, private.private_key(unsafe_skip_rsa_key_validation=True))


def _numbers(body: bytes, start: int, count: int) -> tuple[list[int], int]:
    """Return numbers from a position on, each after its length in bits, and the position after them."""
    numbers = []
    for _ in range(count):
        end = start + 2 + (int.from_bytes(body[start : start + 2], "big") + 7) // 8
        numbers.append(int.from_bytes(body[start + 2 : end], "big"))
        start = end
    return numbers, start
