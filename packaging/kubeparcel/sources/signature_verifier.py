"""Verifies signatures of files with the library sigstore, which is an optional dependency.

Its import takes most of a second, so it is imported with the first signature only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import Signature
from kubeparcel.packages.numbers import parse_number
from kubeparcel.sanitize import printable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.models import TrustedRoot

ANOTHER_FILE = "it signs another file"
UNKNOWN_LOG = "its log entry is not signed by the transparency log"
UNKNOWN_AUTHORITY = "its certificate was not issued by a trusted authority"

INSTALL_HINT = "Install it: pip install 'kubeparcel[sigstore]'"

_TRUSTED_ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot"


class RejectedSignature(Exception):
    """The reason why a signature is not accepted."""


def is_installed() -> bool:
    """Return whether signatures can be verified."""
    return importlib.util.find_spec("sigstore") is not None


def root_digest(trust_root: str) -> str:
    """Return the SHA-256 of a trust root's file, or `public` without one; raise ConfigurationError."""
    if not trust_root:
        return "public"
    try:
        return hashlib.sha256(Path(trust_root).read_bytes()).hexdigest()
    except OSError as error:
        raise _root_error(trust_root, f"cannot be read: {error.strerror}") from None


class SignatureVerifier:
    """Verifies signatures without a network, with the public Sigstore instance's keys or those of a file."""

    def __init__(self, trust_root: str = "") -> None:
        """Read the keys; raises ConfigurationError."""
        from sigstore.verify import Verifier

        # It warns that its keys are not updated from the network.
        logging.getLogger("sigstore").setLevel(logging.CRITICAL)
        try:
            self._verifier = Verifier(trusted_root=_read_root(trust_root))
        except OSError as error:
            problem = f"cannot be read: {error.strerror}" if trust_root else f"cannot be used: {error}"
            raise _root_error(trust_root, problem) from None
        except Exception as error:  # the library raises errors of its own, of pydantic and of cryptography
            raise _root_error(trust_root, f"is invalid: {_reason(error)}") from None

    def verify(self, document: Mapping[str, Any], sha256: str, identity: str, issuer: str) -> Signature:
        """Return the signature of a file with this SHA-256 by its bundle; raise RejectedSignature."""
        from sigstore.hashes import Hashed
        from sigstore.models import Bundle
        from sigstore_models.common.v1 import HashAlgorithm

        file = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(sha256))
        try:
            # The document again, so that the library and we read the same values of duplicate keys.
            bundle = Bundle.from_json(json.dumps(document))
            self._verifier.verify_artifact(file, bundle, _Signer(identity, issuer))
            entry = document["verificationMaterial"]["tlogEntries"][0]
            index, time = entry["logIndex"], entry.get("integratedTime") or "0"
            return Signature(
                identity, issuer, parse_number(str(index), "logIndex"), parse_number(str(time), "integratedTime")
            )
        except Exception as error:  # malformed bundles raise errors of pydantic, cryptography, base64 and others
            raise RejectedSignature(_reason(error)) from None


class _Signer:
    """Verification policy: the certificate must name exactly this signer."""

    def __init__(self, identity: str, issuer: str) -> None:
        self.identity, self.issuer = identity, issuer

    def verify(self, cert: Certificate) -> None:
        """Raise VerificationError for a certificate of another signer."""
        from cryptography import x509
        from sigstore.errors import VerificationError
        from sigstore.verify.policy import Identity

        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        actual = [str(getattr(name, "value", name)) for name in names]
        if actual != [self.identity]:
            raise VerificationError(f"it is by {', '.join(actual) or 'nobody'}, expected {self.identity}")
        try:
            Identity(identity=self.identity, issuer=self.issuer).verify(cert)
        except VerificationError as error:
            raise VerificationError(f"its signer was not authenticated by {self.issuer}: {error}") from None


def _read_root(trust_root: str) -> TrustedRoot:
    from sigstore.models import ClientTrustConfig, TrustedRoot

    if not trust_root:
        return ClientTrustConfig.production(offline=True).trusted_root
    text = Path(trust_root).read_text("utf-8")
    if str(json.loads(text)["mediaType"]).startswith(_TRUSTED_ROOT_TYPE):
        return TrustedRoot.from_file(trust_root)
    return ClientTrustConfig.from_json(text).trusted_root


def _root_error(trust_root: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"The trust root {trust_root or 'of the public Sigstore instance'} {problem}.",
        "Expected Sigstore's ClientTrustConfig or TrustedRoot as JSON (--trust-root, trust-root in kubeparcel.yaml).",
    )


_PLAIN_WORDS = {
    "cert is not valid at validation time": "its certificate was not valid at the time of the log entry",
    "Signature is invalid for input": ANOTHER_FILE,
    "Bundle message digest mismatch": ANOTHER_FILE,
    "expected exactly one log entry": "it has no log entry, or several",
    "invalid log entry": UNKNOWN_LOG,
    "not enough sources of verified time": "it has no verified time",
    "failed to build timestamp certificate chain": UNKNOWN_AUTHORITY,
}
"""What the library's messages mean, by a part of each."""


def _reason(error: Exception) -> str:
    """Return the reason of an error in one line, in plain words where the library's are known."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return printable(f"it is malformed at {'.'.join(map(str, first['loc']))}: {first['msg']}"[:300])
    text = next(iter(printable(str(error)).strip().splitlines()), "") or type(error).__name__
    plain = next((words for part, words in _PLAIN_WORDS.items() if part in text), "")
    return plain or text[:300].rstrip(".")
