"""Bundles that are rejected: other signers and files, damaged and hostile bundles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubeparcel.errors import SignatureError
from tests.sources.signatures.conftest import KUBELET
from tests.support.sigstore_authority import (
    IDENTITY,
    ISSUER,
    SIGNED_AT,
    Authority,
    SignedFile,
    authority,
    with_certificate_of,
)


def resign(site, signed: SignedFile | None = None, **changes: Any) -> None:
    """Replace the kubelet's bundle."""
    signed = signed or authority().sign(site.files[KUBELET], **changes)
    site.files[f"{KUBELET}.sigstore.json"] = json.dumps(signed.bundle).encode()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"identity": f"x{IDENTITY}"}, f"it is by x{IDENTITY}, expected {IDENTITY}."),
        ({"identity": f"{IDENTITY}.invalid"}, f"it is by {IDENTITY}.invalid, expected {IDENTITY}."),
        ({"identity": IDENTITY.removeprefix("krel-")}, f"expected {IDENTITY}."),
        ({"identity": IDENTITY.replace("krel", "Krel")}, f"expected {IDENTITY}."),
        ({"identity": f"https://{IDENTITY}"}, f"it is by https://{IDENTITY}, expected {IDENTITY}."),
        ({"issuer": f"{ISSUER}.invalid"}, f"its signer was not authenticated by {ISSUER}:"),
        ({"issuer": f"{ISSUER}/"}, f"its signer was not authenticated by {ISSUER}:"),
        ({"valid_until": SIGNED_AT - 1}, "its certificate was not valid at the time of the log entry."),
    ],
)
def test_signature_of_another_signer_is_rejected(kubelet, site, changes, reason):
    resign(site, **changes)
    with pytest.raises(SignatureError) as caught:
        kubelet()
    assert caught.value.message.startswith(f"kubelet amd64: the signature was rejected ({site.url}{KUBELET}.sigstore.")
    assert reason in caught.value.message
    assert "not used" in caught.value.hint


def test_signature_of_another_authority_is_rejected(kubelet, site):
    resign(site, Authority().sign(site.files[KUBELET]))
    with pytest.raises(SignatureError, match="its certificate was not issued by a trusted authority") as caught:
        kubelet()
    assert "pip install --upgrade sigstore" in caught.value.hint


def test_bundle_of_another_file_is_rejected(kubelet, site):
    resign(site, authority().sign(b"another file"))
    with pytest.raises(SignatureError, match="it signs another file") as caught:
        kubelet()
    assert "inv resolve --refresh kubelet" in caught.value.hint


def test_signature_with_a_certificate_of_another_signature_is_rejected(kubelet, site):
    data = site.files[KUBELET]
    resign(site, with_certificate_of(authority().sign(data), authority().sign(data)))
    with pytest.raises(SignatureError, match="it signs another file"):
        kubelet()


def _entry(bundle: dict[str, Any]) -> dict[str, Any]:
    return bundle["verificationMaterial"]["tlogEntries"][0]


TAMPERED = {
    "no log entry": lambda bundle: bundle["verificationMaterial"].update(tlogEntries=[]),
    "no list of log entries": lambda bundle: bundle["verificationMaterial"].pop("tlogEntries"),
    "two log entries": lambda bundle: bundle["verificationMaterial"]["tlogEntries"].append(_entry(bundle)),
    "another time": lambda bundle: _entry(bundle).update(integratedTime=str(SIGNED_AT + 1)),
    "no time": lambda bundle: _entry(bundle).pop("integratedTime"),
    "no promise": lambda bundle: _entry(bundle).pop("inclusionPromise"),
    "no proof": lambda bundle: _entry(bundle).pop("inclusionProof"),
    "another index": lambda bundle: _entry(bundle).update(logIndex="1"),
    "an index of 5,000 digits": lambda bundle: _entry(bundle).update(logIndex="9" * 5000),
    "another root hash": lambda bundle: _entry(bundle)["inclusionProof"].update(rootHash="AAAA"),
    "a larger tree": lambda bundle: _entry(bundle)["inclusionProof"].update(treeSize=str(2**62)),
    "another log": lambda bundle: _entry(bundle)["logId"].update(keyId="AAAA"),
    "another body": lambda bundle: _entry(bundle).update(canonicalizedBody="e30="),
    "another kind": lambda bundle: _entry(bundle)["kindVersion"].update(kind="dsse"),
    "no signature": lambda bundle: bundle.pop("messageSignature"),
    "half a signature": lambda bundle: bundle["messageSignature"].update(signature="MEUCIQ=="),
    "a signature that is no Base64": lambda bundle: bundle["messageSignature"].update(signature="!"),
    "half a certificate": lambda bundle: bundle["verificationMaterial"]["certificate"].update(rawBytes="MIIC"),
    "a number as certificate": lambda bundle: bundle["verificationMaterial"].update(certificate=1),
    "no material": lambda bundle: bundle.pop("verificationMaterial"),
    "another media type": lambda bundle: bundle.update(mediaType="text/plain"),
    "nothing": lambda bundle: bundle.clear(),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_tampered_bundle_is_rejected(kubelet, site, source, tmp_path, tamper):
    bundle = authority().sign(site.files[KUBELET]).bundle
    tamper(bundle)
    site.files[f"{KUBELET}.sigstore.json"] = json.dumps(bundle).encode()
    site.write_to(tmp_path / "mirror")
    with pytest.raises(SignatureError, match=r"^kubelet amd64: the signature was rejected \(") as caught:
        kubelet(source(str(tmp_path / "mirror")))
    assert len(caught.value.message) < 700
    assert "\n" not in caught.value.message


GARBAGE = {
    "garbage": (b"\xff\xfe\0", "is not a Sigstore bundle: the file is not valid JSON"),
    "a login page": (b"<html>", "is not a Sigstore bundle: the file is not valid JSON"),
    "nothing": (b"", "is not a Sigstore bundle: the file is not valid JSON"),
    "a list": (b"[]", "is not a Sigstore bundle: it is no JSON object"),
    "60,000 brackets": (b"[" * 60_000, "is not a Sigstore bundle: the file has 33 levels"),
    "a huge file": (b" " * 3_000_000, "is not a Sigstore bundle: it has more than 60,000 bytes"),
}


@pytest.mark.parametrize(("data", "reason"), GARBAGE.values(), ids=GARBAGE)
def test_file_that_is_no_bundle_is_rejected(kubelet, site, source, tmp_path, data, reason):
    site.files[f"{KUBELET}.sigstore.json"] = data
    site.write_to(tmp_path / "mirror")
    for upstream in (source(), source(str(tmp_path / "mirror"))):
        with pytest.raises(SignatureError, match=reason):
            kubelet(upstream)


def test_terminal_sequences_in_a_certificate_are_not_printed(kubelet, site):
    resign(site, identity="https://\x1b[31mred")
    with pytest.raises(SignatureError) as caught:
        kubelet()
    assert "\x1b" not in caught.value.message
