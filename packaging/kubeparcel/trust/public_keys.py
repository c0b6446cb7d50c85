"""Public keys, and the signatures that cosign and OpenSSL make and verify with them.

cryptography takes 50 ms to import: it is imported where a key is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.trust.dsse import Envelope, signed_bytes

PEM_HEADER = b"-----BEGIN PUBLIC KEY-----"
_EC_DIGESTS = {"secp256r1": "sha256", "secp384r1": "sha384", "secp521r1": "sha512"}


@dataclass(frozen=True)
class PublicKey:
    """A public key (an object of the library cryptography), and the key ID in its signatures."""

    key_id: str
    key: Any

    @property
    def pem(self) -> bytes:
        """The key as cosign and OpenSSL read it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        pem: bytes = self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    @property
    def digest_algorithm(self) -> str:
        """The digest algorithm of signatures by the key; empty for EdDSA, which signs the data itself."""
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        if isinstance(self.key, rsa.RSAPublicKey):
            return "sha256"
        return _EC_DIGESTS.get(self.key.curve.name, "") if isinstance(self.key, ec.EllipticCurvePublicKey) else ""

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Return whether a signature of the data is valid and made by this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            elif isinstance(self.key, ec.EllipticCurvePublicKey):
                algorithm = {"sha384": hashes.SHA384(), "sha512": hashes.SHA512()}.get(self.digest_algorithm)
                self.key.verify(signature, data, ec.ECDSA(algorithm or hashes.SHA256()))
            elif isinstance(self.key, ed25519.Ed25519PublicKey):
                self.key.verify(signature, data)
            else:
                return False
        except InvalidSignature:
            return False
        return True

    def encode_signature(self, numbers: dict[str, bytes]) -> bytes:
        """Return a signature from its numbers: `s` of RSA, `r` and `s` of ECDSA."""
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        if isinstance(self.key, rsa.RSAPublicKey):
            return numbers["s"].lstrip(b"\0").rjust(self.key.key_size // 8, b"\0")
        return encode_dss_signature(int.from_bytes(numbers["r"], "big"), int.from_bytes(numbers["s"], "big"))


def parse_pem(data: bytes, name: str) -> PublicKey:
    """Return the key of a PEM file. Raises ConfigurationError, and ToolError without cryptography."""
    _require_library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return PublicKey("", load_pem_public_key(data))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"No public key in {name} ({error}).", "Pass key.pem or key.asc.") from None


def parse_ssh(text: str, key_id: str) -> PublicKey | None:
    """Return a key in the format of SSH, as gpg --export-ssh-key prints it; None if signatures cannot be verified."""
    _require_library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        return PublicKey(key_id, load_ssh_public_key(text.encode()))
    except (ValueError, UnsupportedAlgorithm):
        return None


def signers(envelope: Envelope, keys: tuple[PublicKey, ...]) -> tuple[PublicKey, ...]:
    """Return the keys that made a valid signature of an envelope. Key IDs are hints: every key is tried."""
    data = signed_bytes(envelope.payload)
    return tuple(key for key in keys if any(key.verifies(s.signature, data) for s in envelope.signatures))


def _require_library() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise ToolError(
            "cryptography, which verifies attestations, is not installed.",
            "Run: pip install cryptography (elsewhere than on x86_64 and aarch64, pip may need a Rust toolchain).",
        ) from None
