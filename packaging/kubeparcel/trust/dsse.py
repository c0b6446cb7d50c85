"""DSSE envelopes: signed in-toto statements (github.com/secure-systems-lab/dsse, protocol and envelope v1.0.2)."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_FIELDS = {"payload", "payloadType", "signatures"}
_MAX_SIGNATURES = 16
_BLOCK = 3 << 20
"""The bytes that are encoded at a time, a multiple of 3: the statement about a large repository has 14 MB."""


@dataclass(frozen=True)
class EnvelopeSignature:
    """A signature and the ID of its key, which is a hint: the OpenPGP fingerprint in our envelopes."""

    key_id: str
    signature: bytes


@dataclass(frozen=True)
class Envelope:
    """A payload and the signatures of it."""

    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]

    def dump(self) -> bytes:
        """Return the envelope as a line of JSON."""
        signatures = [
            {"keyid": signature.key_id, "sig": base64.b64encode(signature.signature).decode()}
            for signature in self.signatures
        ]
        data = io.BytesIO()
        data.write(f'{{"payloadType":"{PAYLOAD_TYPE}","payload":"'.encode())
        for start in range(0, len(self.payload), _BLOCK):
            data.write(base64.b64encode(self.payload[start : start + _BLOCK]))
        data.write(f'","signatures":{json.dumps(signatures, separators=(",", ":"))}}}\n'.encode())
        return data.getvalue()


def signed_bytes(payload: bytes) -> bytes:
    """Return what the signatures of a payload cover: DSSE's pre-authentication encoding."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def parse_envelope(data: bytes, name: str) -> Envelope:
    """Parse a file with one envelope. Raises MalformedData, which names the file.

    More than DSSE requires is rejected: fields of its successors or of two envelopes in one object mean
    different things to different readers.
    """
    limits.ENVELOPE.check(len(data), name)
    document = parse_json(data, name)
    if not isinstance(document, dict) or not document.keys() >= _FIELDS:
        raise MalformedData(f"{name} is not a DSSE envelope: it needs {', '.join(sorted(_FIELDS))}")
    if unknown := sorted(document.keys() - _FIELDS):
        raise MalformedData(f"{name} has the unknown field {unknown[0]!r:.100}")
    if document["payloadType"] != PAYLOAD_TYPE:
        raise MalformedData(f"{name} has the payload type {document['payloadType']!r:.100}, not {PAYLOAD_TYPE}")
    signatures = document["signatures"]
    if not isinstance(signatures, list) or len(signatures) > _MAX_SIGNATURES:
        raise MalformedData(f"{name} needs a list of up to {_MAX_SIGNATURES} signatures")
    if not signatures:
        raise MalformedData(f"{name} is not signed")
    return Envelope(
        _decode(document["payload"], name, "payload"), tuple(_signature(signature, name) for signature in signatures)
    )


def _signature(entry: Any, name: str) -> EnvelopeSignature:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("keyid", ""), str):
        raise MalformedData(f"{name} has an invalid signature entry")
    return EnvelopeSignature(entry.get("keyid", ""), _decode(entry.get("sig"), name, "signature"))


def _decode(text: Any, name: str, field: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise MalformedData(f"{name} has a {field} that is not base64, or is truncated") from None


def join(payload: bytes, signatures: Sequence[EnvelopeSignature]) -> bytes:
    """Return the file of a payload with its signatures."""
    return Envelope(payload, tuple(signatures)).dump()
