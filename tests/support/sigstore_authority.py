"""A Sigstore instance of a site's own: a certificate authority, a certificate log and a transparency log.

Its keys are made at the first use; nothing asks a network. The formats are those of RFC 6962 (certificate
timestamps), of Rekor's API and of Sigstore's protobuf-specs.
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import json
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

IDENTITY = "krel-staging@k8s-releng-prod.iam.gserviceaccount.com"
ISSUER = "https://accounts.google.com"
SIGNED_AT = 1_784_740_000
"""When files are signed, in seconds since 1970."""
LOG_INDEX = 123_456_789

_SHA256 = ec.ECDSA(hashes.SHA256())


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _date(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _der(tag: int, data: bytes) -> bytes:
    length = bytes([len(data)]) if len(data) < 128 else b"\x82" + struct.pack("!H", len(data))
    return bytes([tag]) + length + data


@dataclass(frozen=True)
class SignedFile:
    """A signature of a file, in all the forms in which upstream publishes it."""

    signature: bytes
    certificate: x509.Certificate
    entry: dict[str, Any]

    @property
    def sig(self) -> str:
        return _base64(self.signature)

    @property
    def cert(self) -> str:
        """The certificate as cosign writes it: PEM in Base64."""
        return _base64(self.certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def bundle(self) -> dict[str, Any]:
        body = json.loads(base64.b64decode(self.entry["body"]))
        proof = self.entry["verification"]["inclusionProof"]
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": _base64(self.certificate.public_bytes(serialization.Encoding.DER))},
                "tlogEntries": [
                    {
                        "logIndex": str(self.entry["logIndex"]),
                        "logId": {"keyId": _base64(bytes.fromhex(self.entry["logID"]))},
                        "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
                        "integratedTime": str(self.entry["integratedTime"]),
                        "inclusionPromise": {
                            "signedEntryTimestamp": self.entry["verification"]["signedEntryTimestamp"]
                        },
                        "inclusionProof": {
                            "logIndex": str(proof["logIndex"]),
                            "rootHash": _base64(bytes.fromhex(proof["rootHash"])),
                            "treeSize": str(proof["treeSize"]),
                            "hashes": [],
                            "checkpoint": {"envelope": proof["checkpoint"]},
                        },
                        "canonicalizedBody": self.entry["body"],
                    }
                ],
            },
            "messageSignature": {"signature": self.sig},
        }


@dataclass(frozen=True)
class Authority:
    """Signs files in the name of anybody."""

    ca_key: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    ct_key: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    log_key: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    def sign(
        self, data: bytes, identity: str = IDENTITY, issuer: str = ISSUER, *, valid_until: int = SIGNED_AT + 600
    ) -> SignedFile:
        """Sign a file with a certificate for this identity, which is valid for a few minutes."""
        key, digest = _key(), hashlib.sha256(data).digest()
        certificate = self._certificate(key, identity, issuer, valid_until)
        signature = key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        return SignedFile(signature, certificate, self._log_entry(signature, certificate, digest))

    def write_trust_root(self, path: Path) -> Path:
        """Write the ClientTrustConfig with which the signatures are verified."""
        path.write_text(json.dumps(self.trust_config))
        return path

    @property
    def trust_config(self) -> dict[str, Any]:
        valid = {"start": "2020-01-01T00:00:00Z"}

        def log(key: ec.EllipticCurvePrivateKey, url: str) -> dict[str, Any]:
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": _base64(_spki(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": {"keyId": _base64(hashlib.sha256(_spki(key)).digest())},
            }

        ca = _base64(self.ca_certificate.public_bytes(serialization.Encoding.DER))
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self.log_key, "https://rekor.invalid")],
                "ctlogs": [log(self.ct_key, "https://ct.invalid")],
                "certificateAuthorities": [
                    {
                        "subject": {"organization": "acme", "commonName": "acme"},
                        "uri": "https://fulcio.invalid",
                        "certChain": {"certificates": [{"rawBytes": ca}]},
                        "validFor": valid,
                    }
                ],
                "timestampAuthorities": [],
            },
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [],
                "oidcUrls": [],
                "rekorTlogUrls": [],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaUrls": [],
                "tsaConfig": {"selector": "ANY"},
            },
        }

    @functools.cached_property
    def ca_certificate(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme")])
        usage = {name: name in ("key_cert_sign", "crl_sign") for name in _KEY_USAGES}
        return (
            x509.CertificateBuilder(name, name, self.ca_key.public_key(), x509.random_serial_number())
            .not_valid_before(_date(SIGNED_AT - 10**8))
            .not_valid_after(_date(SIGNED_AT + 10**9))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.ca_key.public_key()), critical=False)
            .sign(self.ca_key, hashes.SHA256())
        )

    def _certificate(
        self, key: ec.EllipticCurvePrivateKey, identity: str, issuer: str, valid_until: int
    ) -> x509.Certificate:
        usage = {name: name == "digital_signature" for name in _KEY_USAGES}
        san = x509.UniformResourceIdentifier(identity) if "://" in identity else x509.RFC822Name(identity)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca_key.public_key())
        issuers = {"1.3.6.1.4.1.57264.1.1": issuer.encode(), "1.3.6.1.4.1.57264.1.8": _der(0x0C, issuer.encode())}
        builder = (
            x509.CertificateBuilder(self.ca_certificate.subject, x509.Name([]), key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_date(SIGNED_AT - 3600))
            .not_valid_after(_date(valid_until))
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(authority, critical=False)
            .add_extension(x509.SubjectAlternativeName([san]), critical=True)
        )
        for oid, value in issuers.items():
            builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False)
        plain = builder.sign(self.ca_key, hashes.SHA256())
        timestamps = x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), self._certificate_timestamps(plain)
        )
        certificate = builder.add_extension(timestamps, critical=False).sign(self.ca_key, hashes.SHA256())
        return x509.load_der_x509_certificate(certificate.public_bytes(serialization.Encoding.DER))

    def _certificate_timestamps(self, certificate: x509.Certificate) -> bytes:
        """Return the extension with the certificate log's timestamp (RFC 6962, 3.2 and 3.3)."""
        tbs = certificate.tbs_certificate_bytes
        time = struct.pack("!Q", (SIGNED_AT - 1) * 1000)
        entry = hashlib.sha256(_spki(self.ca_key)).digest() + struct.pack("!I", len(tbs))[1:] + tbs
        signature = self.ct_key.sign(b"\0\0" + time + struct.pack("!H", 1) + entry + b"\0\0", _SHA256)
        log_id = hashlib.sha256(_spki(self.ct_key)).digest()
        timestamp = b"\0" + log_id + time + b"\0\0" + b"\x04\x03" + struct.pack("!H", len(signature)) + signature
        timestamps = struct.pack("!H", len(timestamp)) + timestamp
        return _der(0x04, struct.pack("!H", len(timestamps)) + timestamps)

    def _log_entry(self, signature: bytes, certificate: x509.Certificate, digest: bytes) -> dict[str, Any]:
        """Return the log entry of a signature, as Rekor returns it: the only one of its tree."""
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        spec = {
            "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
            "signature": {"content": _base64(signature), "publicKey": {"content": _base64(pem)}},
        }
        body = _canonical({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec})
        log_id, root = hashlib.sha256(_spki(self.log_key)).digest(), hashlib.sha256(b"\0" + body).digest()
        note = f"log.invalid - 1\n1\n{_base64(root)}\n"
        note_signature = _base64(log_id[:4] + self.log_key.sign(note.encode(), _SHA256))
        promised = {"body": _base64(body), "integratedTime": SIGNED_AT, "logID": log_id.hex(), "logIndex": LOG_INDEX}
        return {
            **promised,
            "verification": {
                "signedEntryTimestamp": _base64(self.log_key.sign(_canonical(promised), _SHA256)),
                "inclusionProof": {
                    "logIndex": 0,
                    "rootHash": root.hex(),
                    "treeSize": 1,
                    "hashes": [],
                    "checkpoint": f"{note}\n— log.invalid {note_signature}\n",
                },
            },
        }


_KEY_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _canonical(document: Any) -> bytes:
    """Return JSON as RFC 8785 does for plain values."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def with_certificate_of(signed: SignedFile, other: SignedFile) -> SignedFile:
    """Return a signature with somebody else's certificate."""
    return replace(signed, certificate=other.certificate)


@functools.cache
def authority() -> Authority:
    """Return the authority that all tests share."""
    return Authority()
