"""Sigstore bundles: a signature, its certificate and the entry of the transparency log in one JSON document.

They are read from next to the files that they sign, or made of separate files and the log. Nothing is verified here.
The formats: https://docs.sigstore.dev/about/bundle/ and
https://www.sigstore.dev/swagger/ (Rekor).
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeparcel.errors import DownloadError, ExternalError, SignatureError
from kubeparcel.lock_models import Artifact
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json
from kubeparcel.sanitize import printable
from kubeparcel.sources.fetch import expected_sha256
from kubeparcel.sources.transport import Transport
from kubeparcel.threads import CancelToken

BUNDLE = ".sigstore.json"
"""The suffix of a bundle, next to the file that it signs."""

MAX_SIZE = 60_000
"""The largest bundle in bytes; those of releases have ten thousand."""

HINT = "The signed file was not used."

_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PEM = re.compile(r"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")
_MALFORMED = (MalformedData, KeyError, TypeError, ValueError, AttributeError, binascii.Error)


@dataclass(frozen=True)
class BundleReader:
    """Reads the bundles that `transport` has."""

    transport: Transport
    _unavailable: dict[str, str] = field(default_factory=dict, init=False)
    """The problems of transparency logs that could not be queried, by their URLs."""

    def read(self, artifact: Artifact, log: str, token: CancelToken) -> dict[str, Any] | str:
        """Return the bundle next to a file, or made of its `.sig`, `.cert` and log entry; or why there is none.

        `log` is the URL of the transparency log. Raises SignatureError for a malformed one, or one without log entry.
        """
        location = self.transport.location(artifact.origin + BUNDLE)
        problems: list[str] = []
        read = functools.partial(self._read_optional, token=token, problems=problems)
        text = read(artifact.origin + BUNDLE)
        if text is not None:
            return parse_bundle(text, location)
        signature, certificate = (read(artifact.origin + end) for end in (".sig", ".cert"))
        if signature is None or certificate is None:
            problems.append(f"{location} does not exist.\nIf it is a mirror, fill it again: inv mirror")
            return problems[0]
        answer = self._ask_log(log, log_query(signature, certificate, expected_sha256(artifact)), token)
        if answer is None and log in self._unavailable:
            return f"the transparency log cannot be queried: {self._unavailable[log]}"
        if answer is None:
            return (
                f"{location} does not exist, and {self.transport.location(log)} is no transparency log.\n"
                "If it is a mirror, fill it again: inv mirror"
            )
        entry = oldest_entry(answer, self.transport.location(log))
        if entry is None:
            raise SignatureError(
                f"{artifact.label}: the signature is not in the transparency log {self.transport.location(log)}.", HINT
            )
        return build_bundle(signature, certificate, entry, self.transport.location(artifact.origin + ".sig"))

    def _read_optional(self, address: str, token: CancelToken, problems: list[str]) -> str | None:
        """Return the text of a file; None without one or, with the reason added to `problems`, if it cannot be read."""
        try:
            return self.transport.read(address, token)
        except DownloadError as error:
            problems.append(f"{error.message}\n{error.hint}")
            return None

    def _ask_log(self, log: str, question: Mapping[str, Any], token: CancelToken) -> bytes | None:
        """Return the answer of a transparency log; None if there is none, or it cannot be queried.

        It is not asked again then: where a firewall drops connections, each attempt takes a minute.
        """
        if log not in self._unavailable:
            try:
                return self.transport.ask(f"{log}/api/v1/log/entries/retrieve", question, token)
            except ExternalError as error:
                self._unavailable[log] = f"{error.message}\n{error.hint}"
        return None


def parse_bundle(text: str, location: str) -> dict[str, Any]:
    """Return the document of a bundle; raise SignatureError, naming `location`, if it is not one."""
    if len(text) > MAX_SIZE:
        raise SignatureError(f"{location} is not a Sigstore bundle: it has more than {MAX_SIZE:,} bytes.", HINT)
    try:
        document = parse_json(text.encode(), "the file")
    except MalformedData as error:
        raise SignatureError(f"{location} is not a Sigstore bundle: {printable(str(error))}.", HINT) from None
    if not isinstance(document, dict):
        raise SignatureError(f"{location} is not a Sigstore bundle: it is no JSON object.", HINT)
    return document


def build_bundle(signature: str, certificate: str, entry: Mapping[str, Any], location: str) -> dict[str, Any]:
    """Return the bundle of a `.sig`, a `.cert` and a log entry of Rekor. Raises SignatureError, naming `location`."""
    try:
        pem = _PEM.fullmatch(_pem(certificate))
        body = parse_json(base64.b64decode(entry["body"], validate=True), "the log entry")
        proof, promise = entry["verification"]["inclusionProof"], entry["verification"]["signedEntryTimestamp"]
        log_entry = {
            "logIndex": str(entry["logIndex"]),
            "logId": {"keyId": _hex_to_base64(entry["logID"])},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "integratedTime": str(entry["integratedTime"]),
            "inclusionPromise": {"signedEntryTimestamp": promise},
            "inclusionProof": {
                "logIndex": str(proof["logIndex"]),
                "rootHash": _hex_to_base64(proof["rootHash"]),
                "treeSize": str(proof["treeSize"]),
                "hashes": [_hex_to_base64(node) for node in proof["hashes"]],
                "checkpoint": {"envelope": proof["checkpoint"]},
            },
            "canonicalizedBody": entry["body"],
        }
        certificate_bytes = "".join(pem[1].split()) if pem else ""
        base64.b64decode(signature.strip(), validate=True)
    except _MALFORMED as error:
        raise SignatureError(f"{location}: the signature is malformed ({printable(str(error))[:200]}).", HINT) from None
    if not certificate_bytes:
        raise SignatureError(f"{location}: the certificate is malformed.", HINT)
    return {
        "mediaType": _MEDIA_TYPE,
        "verificationMaterial": {"certificate": {"rawBytes": certificate_bytes}, "tlogEntries": [log_entry]},
        "messageSignature": {"signature": signature.strip()},
    }


def log_query(signature: str, certificate: str, sha256: str) -> dict[str, Any]:
    """Return the question for the log entry of a signed file, for Rekor's `log/entries/retrieve`."""
    key = base64.b64encode(_pem(certificate).encode()).decode()
    spec = {
        "signature": {"content": signature.strip(), "publicKey": {"content": key}},
        "data": {"hash": {"algorithm": "sha256", "value": sha256}},
    }
    return {"entries": [{"kind": "hashedrekord", "apiVersion": "0.0.1", "spec": spec}]}


def oldest_entry(answer: bytes | None, location: str) -> Mapping[str, Any] | None:
    """Return the first entry that was made, of Rekor's answer to `log_query`; None if there is none.

    Anybody can add a later entry for the same signature. Raises SignatureError for a malformed answer.
    """
    if answer is None:
        return None
    try:
        entries = [entry for result in parse_json(answer, "the answer") for entry in result.values()]
        return min(entries, key=lambda entry: int(entry["integratedTime"]), default=None)
    except _MALFORMED as error:
        raise SignatureError(
            f"The transparency log {location} returned an invalid response ({printable(str(error))[:200]}).", HINT
        ) from None


def _pem(certificate: str) -> str:
    """Return a certificate in PEM, which cosign writes in Base64 once more."""
    if "-----BEGIN" in certificate:
        return certificate
    try:
        return base64.b64decode("".join(certificate.split()), validate=True).decode("ascii")
    except ValueError:
        return ""


def _hex_to_base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()
