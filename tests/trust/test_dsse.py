"""Envelopes and statements that are damaged, ambiguous or huge are rejected with a clear word."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.trust.dsse import PAYLOAD_TYPE, Envelope, EnvelopeSignature, parse_envelope, signed_bytes
from kubeparcel.trust.statement import PACKAGE_BUILD_TYPE, Resource, Statement, parse_statement, resource_digest

SHA256 = "ab" * 32
STATEMENT = Statement((Resource("kubelet.deb", digest={"sha256": SHA256}),), PACKAGE_BUILD_TYPE, {"settings": {}})


def envelope(**changes: Any) -> bytes:
    """Return an envelope with other fields; None removes one."""
    document = json.loads(Envelope(STATEMENT.dump(), (EnvelopeSignature("KEY", b"signature"),)).dump())
    return json.dumps({name: value for name, value in {**document, **changes}.items() if value is not None}).encode()


def statement(change: dict[str, Any]) -> bytes:
    return json.dumps({**json.loads(STATEMENT.dump()), **change}).encode()


def test_the_signed_bytes_are_those_of_the_specification():
    """The lengths are of bytes, not of characters."""
    assert signed_bytes("é".encode()) == b"DSSEv1 28 application/vnd.in-toto+json 2 \xc3\xa9"


def test_what_is_written_is_read_again():
    parsed = parse_envelope(envelope(), "x")
    assert parsed.signatures == (EnvelopeSignature("KEY", b"signature"),)
    assert parse_statement(parsed.payload, "x") == STATEMENT


SIGNATURE = {"keyid": "KEY", "sig": "c2lnbmF0dXJl"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is not valid JSON"),
        (b"[]", "is not a DSSE envelope"),
        (envelope(payloadType=None), "needs payload, payloadType, signatures"),
        (envelope(payloadType="text/plain"), "the payload type 'text/plain', not application/vnd.in-toto"),
        (envelope(payloadTypes=[PAYLOAD_TYPE, "text/plain"]), "unknown field 'payloadTypes'"),
        (
            envelope().replace(b'"payload":', b'"payloadType": "text/plain", "payload":', 1),
            "duplicate key 'payloadType'",
        ),
        (envelope(signatures=[]), "is not signed"),
        (envelope(signatures={}), "needs a list of up to 16 signatures"),
        (envelope(signatures=[SIGNATURE] * 17), "needs a list of up to 16 signatures"),
        (envelope(signatures=["sig"]), "invalid signature entry"),
        (envelope(signatures=[{"keyid": "KEY"}]), "a signature that is not base64"),
        (envelope(signatures=[{**SIGNATURE, "keyid": 7}]), "invalid signature entry"),
        (
            envelope(payload=base64.b64encode(STATEMENT.dump()).decode()[:-3]),
            "a payload that is not base64, or is truncated",
        ),
        (envelope(payload="ä"), "a payload that is not base64"),
        (envelope(payload=None, payload2=""), "is not a DSSE envelope"),
        (envelope() + envelope(), "is not valid JSON"),
        (b"[" * 60_000, "above the limit json-depth"),
    ],
)
def test_damaged_envelopes_are_rejected(data, problem):
    with pytest.raises(MalformedData, match=r"kubelet\.jsonl") as error:
        parse_envelope(data, "kubelet.jsonl")
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"[" * 60_000, "above the limit json-depth"),
        (b"{}", "is not a valid statement"),
        (statement({"_type": "https://in-toto.io/Statement/v0.1"}), "not https://in-toto.io/Statement/v1"),
        (statement({"predicateType": "https://spdx.dev/Document"}), "not https://slsa.dev/provenance/v1"),
        (statement({"subject": []}), "needs subjects with a name and a SHA-256"),
        (statement({"subject": [{"name": "x", "digest": {"sha1": "ab"}}]}), "needs subjects with a name and a SHA-256"),
        (statement({"subject": [{"name": "x", "digest": {"sha256": "AB" * 32}}]}), "needs subjects with a name"),
        (statement({"subject": [{"name": "x", "digest": {"sha256": SHA256}}] * 2}), "two subjects of one name"),
        (statement({"predicate": []}), "is not a valid statement"),
        (
            statement({"predicate": {"buildDefinition": {"buildType": "x"}, "runDetails": {}}}),
            "is not a valid statement",
        ),
        (STATEMENT.dump().replace(b"#packages-v1", b"#other"), "has the buildType"),
    ],
)
def test_damaged_statements_are_rejected(data, problem):
    with pytest.raises(MalformedData) as error:
        parse_statement(data, "kubelet.jsonl", PACKAGE_BUILD_TYPE)
    assert problem in str(error.value)


def test_huge_envelopes_are_rejected_before_they_are_parsed(monkeypatch):
    monkeypatch.setattr(limits, "ENVELOPE", replace(limits.ENVELOPE, default=50))
    with pytest.raises(MalformedData, match="above the limit envelope-size of 50"):
        parse_envelope(b"[" * 51, "kubelet.jsonl")


def test_equal_statements_are_equal_bytes():
    assert STATEMENT.dump() == Statement(STATEMENT.subjects, PACKAGE_BUILD_TYPE, {"settings": {}}).dump()


def test_sums_of_go_modules_are_written_as_in_toto_has_them():
    assert resource_digest("h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") == {
        "dirHash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }
    assert resource_digest(f"sha256:{SHA256}") == {"sha256": SHA256}
