"""Upstream's signatures: verified when a version is resolved and fetched, by the keys of a site's own authority."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeparcel.errors import ConfigurationError, SignatureError
from kubeparcel.lock_models import Artifact, InputPolicy, Signature
from kubeparcel.model import Arch, Version
from kubeparcel.sources import signature_verifier
from kubeparcel.sources.signature_bundle import build_bundle, oldest_entry, parse_bundle
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store
from tests.conftest import RecordingLog
from tests.support.sigstore_authority import (
    IDENTITY,
    ISSUER,
    LOG_INDEX,
    SIGNED_AT,
    Authority,
    SignedFile,
    authority,
    with_certificate_of,
)
from tests.support.upstream_site import other_content, redirect, status

V1363 = Version.parse("1.36.3")
SIGNED = Signature(IDENTITY, ISSUER, LOG_INDEX, SIGNED_AT)
LOG = "/rekor.sigstore.dev/api/v1/log/entries/retrieve"
LOG_KEYS = [
    *("body", "integratedTime", "logID", "logIndex", "verification", "signedEntryTimestamp", "inclusionProof"),
    *("rootHash", "treeSize", "hashes", "checkpoint"),
]


@pytest.fixture
def recording() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
def source(site, from_mirror, tmp_path):
    """Return a function that creates a source with the site's own trust root."""
    root = str(authority().write_trust_root(tmp_path / "root.json"))

    def make(mirror: str = "", **policy: Any) -> Upstream:
        return from_mirror(mirror or site.url, accepted=InputPolicy(**{"trust_root": root, **policy}))

    return make


@pytest.fixture
def kubelet(site, source):
    """Publish 1.36.3 with signatures; return a function that pins it, and gives the kubelet."""
    site.publish_release(source(), "kubernetes", "1.36.3", signed=True)

    def pin(upstream: Upstream | None = None) -> Artifact:
        component = (upstream or source()).pin("kubernetes", V1363, [Arch.AMD64])
        return next(artifact for artifact in component.artifacts if artifact.name == "kubelet")

    return pin


FOLDER = "/dl.k8s.io/release/v1.36.3/bin/linux/amd64"
KUBELET = f"{FOLDER}/kubelet"


def resign(site, signed: SignedFile | None = None, **changes: Any) -> None:
    """Replace the kubelet's bundle."""
    signed = signed or authority().sign(site.files[KUBELET], **changes)
    site.files[f"{KUBELET}.sigstore.json"] = json.dumps(signed.bundle).encode()


# --- Valid signatures ----------------------------------------------------------------------------


def test_resolved_file_has_its_signer(kubelet):
    assert kubelet().signature == SIGNED


def test_signature_and_certificate_are_completed_by_their_log_entry(site, source):
    for name, data in site.publish_release(source(), "kubernetes", "1.36.3").items():
        site.sign_file(f"https:/{FOLDER}/{name}", authority().sign(data), bundle=False)
    upstream = source()
    component = upstream.pin("kubernetes", V1363, [Arch.AMD64])
    assert {artifact.signature for artifact in component.artifacts} == {SIGNED}
    assert component.remarks == ()
    assert len(site.requests_for("retrieve")) == 3
    source().signatures.check(component.artifacts, upstream.store, RecordingLog())
    assert len(site.requests_for("retrieve")) == 3  # the bundle is in the store


def test_oldest_log_entry_counts(site, source):
    """Anybody can log a signature once more."""
    site.publish_release(source(), "kubernetes", "1.36.3", signed=True)
    del site.files[f"{KUBELET}.sigstore.json"]
    signed = authority().sign(site.files[KUBELET])
    site.sign_file(f"https:/{KUBELET}", signed, bundle=False)
    later = {**signed.entry, "integratedTime": SIGNED_AT + 60, "logIndex": 7}
    site.log_entries[hashlib.sha256(site.files[KUBELET]).hexdigest()].insert(0, later)
    component = source().pin("kubernetes", V1363, [Arch.AMD64])
    assert {artifact.signature for artifact in component.artifacts} == {SIGNED}


def test_verified_signature_is_remembered(kubelet, site, source, recording):
    upstream = source()
    artifact = kubelet(upstream)
    before = len(site.requests)
    source().signatures.check([artifact], upstream.store, recording)
    assert len(site.requests) == before
    assert recording.warnings == []


def test_remembered_signature_is_of_one_trust_root(kubelet, source, tmp_path, recording):
    upstream = source()
    artifact = kubelet(upstream)
    other = source(trust_root=str(Authority().write_trust_root(tmp_path / "other.json")))
    with pytest.raises(SignatureError, match="its certificate was not issued by a trusted authority"):
        other.signatures.check([artifact], upstream.store, recording)


def test_trusted_root_without_a_signing_configuration_is_accepted(kubelet, source, tmp_path):
    path = tmp_path / "trusted_root.json"
    path.write_text(json.dumps(authority().trust_config["trustedRoot"]))
    assert kubelet(source(trust_root=str(path))).signature == SIGNED


# --- Invalid signatures --------------------------------------------------------------------------


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


# --- The transparency log ------------------------------------------------------------------------


@pytest.fixture
def parts(kubelet, site):
    """Replace the kubelet's bundle by `.sig`, `.cert` and a log entry."""
    del site.files[f"{KUBELET}.sigstore.json"]
    site.sign_file(f"https:/{KUBELET}", authority().sign(site.files[KUBELET]), bundle=False)
    return kubelet


def test_signature_that_is_not_in_the_log_is_rejected(parts, site):
    site.log_entries.clear()
    with pytest.raises(SignatureError, match=r"kubelet amd64: the signature is not in the transparency log"):
        parts()


@pytest.mark.parametrize(
    "answer",
    [b"no", b"{}", b"[1]", b'[{"x": {"integratedTime": "?"}}]', b"[" * 60_000, b'[{"x": {"integratedTime": 1}}]'],
)
def test_invalid_answer_of_the_log_is_rejected(parts, site, answer):
    site.faults[LOG] = [other_content(answer)] * 3
    with pytest.raises(SignatureError, match=r"returned an invalid response|the signature is malformed|is not in the"):
        parts()


@pytest.mark.parametrize(("file", "text"), [(".sig", b"!"), (".cert", b"!"), (".cert", b"AAAA"), (".sig", b"AAAA")])
def test_malformed_signature_or_certificate_is_rejected(parts, site, file, text):
    site.files[KUBELET + file] = text
    with pytest.raises(SignatureError, match="kubelet"):
        parts()


def test_log_that_does_not_answer_leaves_the_file_unverified(parts, site, source):
    site.faults[LOG] = [status(503)] * 9
    component = source().pin("kubernetes", V1363, [Arch.AMD64])
    assert [artifact.name for artifact in component.artifacts if not artifact.signature] == ["kubelet"]
    (remark,) = component.remarks
    assert "signatures of Kubernetes 1.36.3 were not verified: the transparency log cannot be queried" in remark
    site.faults[LOG] = [status(503)] * 9
    with pytest.raises(SignatureError, match="the signature is required, and the transparency log cannot be queried"):
        parts(source(require_signatures=True))


def test_bucket_without_listing_answers_403_for_a_missing_bundle(parts, site):
    site.faults[f"{KUBELET}.sigstore.json"] = [status(403)]
    assert parts().signature == SIGNED


def test_forbidden_signature_leaves_the_file_unverified(parts, site, source):
    for end in (".sigstore.json", ".sig"):
        site.faults[KUBELET + end] = [status(403)]
    (remark,) = source().pin("kubernetes", V1363, [Arch.AMD64]).remarks
    assert f"were not verified: {site.url}{KUBELET}.sigstore.json answered 403" in remark


def test_unavailable_log_is_asked_for_one_file_only(site, from_mirror, source):
    """Where a firewall drops the connections, each question takes a minute."""
    upstream = from_mirror(site.url, workers=1, accepted=source().accepted)
    for name, data in site.publish_release(upstream, "kubernetes", "1.36.3").items():
        site.sign_file(f"https:/{FOLDER}/{name}", authority().sign(data), bundle=False)
    site.faults[LOG] = [status(503)] * 99
    component = upstream.pin("kubernetes", V1363, [Arch.AMD64])
    assert not any(artifact.signature for artifact in component.artifacts)
    assert len(site.requests_for(LOG)) == 3  # the attempts for the first file


@pytest.mark.parametrize("fault", [status(404), status(405)])
def test_server_of_files_is_no_transparency_log(parts, site, source, fault):
    site.faults[LOG] = [fault] * 3
    (remark,) = source().pin("kubernetes", V1363, [Arch.AMD64]).remarks
    assert f"and {site.url}/rekor.sigstore.dev is no transparency log.\n" in remark


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (other_content(b"[" + b" " * (1 << 20)), "answered with more than 1048576 bytes"),
        (redirect("http://127.0.0.1:1/"), "answered 302"),
        (status(403), "answered 403"),
    ],
)
def test_log_without_a_usable_answer_leaves_the_file_unverified(parts, site, source, fault, reason):
    site.faults[LOG] = [fault] * 3
    (remark,) = source().pin("kubernetes", V1363, [Arch.AMD64]).remarks
    assert f"the transparency log cannot be queried: {site.url}{LOG} {reason}" in remark


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from(LOG_KEYS), children, max_size=6),
)


@given(JSON, st.text(max_size=50), st.sampled_from(["", authority().sign(b"").cert]))
@settings(max_examples=50, deadline=None)
def test_any_answer_of_the_log_gives_a_bundle_or_one_kind_of_error(answer, signature, certificate):
    with suppress(SignatureError):
        entry = oldest_entry(json.dumps(answer).encode(), "the log")
        build_bundle(signature, certificate, entry or {}, "kubelet.sig")


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=50, deadline=None)
def test_any_file_is_a_bundle_or_one_kind_of_error(data):
    with suppress(SignatureError):
        assert isinstance(parse_bundle(data.decode("utf-8", "replace"), "kubelet.sigstore.json"), dict)


def test_mirror_in_a_folder_needs_bundles(parts, site, source, tmp_path):
    site.write_to(tmp_path / "mirror")
    (remark,) = source(str(tmp_path / "mirror")).pin("kubernetes", V1363, [Arch.AMD64]).remarks
    assert "kubelet.sigstore.json does not exist, and " in remark
    assert "inv mirror" in remark


# --- Missing signatures --------------------------------------------------------------------------


def test_missing_signature_is_reported(site, source):
    site.publish_release(source(), "kubernetes", "1.36.3")
    component = source().pin("kubernetes", V1363, [Arch.AMD64])
    assert {artifact.signature for artifact in component.artifacts} == {None}
    (remark,) = component.remarks
    assert "kubeadm.sigstore.json does not exist.\nIf it is a mirror, fill it again: inv mirror" in remark


def test_missing_signature_is_an_error_if_it_is_required(site, source):
    site.publish_release(source(), "kubernetes", "1.36.3")
    with pytest.raises(SignatureError, match=r"kubeadm amd64: the signature is required, and .* does not exist"):
        source(require_signatures=True).pin("kubernetes", V1363, [Arch.AMD64])


def test_release_before_signatures_is_accepted_unless_they_are_required(site, source):
    version = Version.parse("1.25.16")
    site.publish_release(source(), "kubernetes", "1.25.16")
    component = source().pin("kubernetes", version, [Arch.AMD64])
    assert ({artifact.signature for artifact in component.artifacts}, component.remarks) == ({None}, ())
    assert not site.requests_for(".sigstore.json")
    with pytest.raises(SignatureError, match=r"Kubernetes 1\.25\.16 is not signed: upstream signs from 1\.26\.0 on"):
        source(require_signatures=True).pin("kubernetes", version, [Arch.AMD64])


def test_first_signed_release_candidate_is_verified(site, source):
    site.publish_release(source(), "kubernetes", "1.26.0-rc.1", signed=True)
    component = source().pin("kubernetes", Version.parse("1.26.0-rc.1"), [Arch.AMD64])
    assert {artifact.signature for artifact in component.artifacts} == {SIGNED}


def test_component_that_upstream_never_signs_needs_no_signature(site, source):
    site.publish_release(source(), "cri-tools", "1.36.0")
    component = source(require_signatures=True).pin("cri-tools", Version.parse("1.36.0"), [Arch.AMD64])
    assert component.remarks == ()


@pytest.fixture
def without_sigstore(monkeypatch) -> None:
    """Simulate an installation without the extra."""
    monkeypatch.setattr(signature_verifier.importlib.util, "find_spec", lambda _: None)


def test_without_the_library_signatures_are_reported_as_unverified(kubelet, site, source, without_sigstore):
    (remark,) = source().pin("kubernetes", V1363, [Arch.AMD64]).remarks
    assert "were not verified: the library sigstore is not installed" in remark
    assert "pip install 'kubeparcel[sigstore]'" in remark
    assert not site.requests_for(".sigstore.json")


def test_without_the_library_required_signatures_fail_before_a_download(
    kubelet, site, source, store, recording, without_sigstore
):
    artifact = dataclasses.replace(kubelet(), signature=None)
    with pytest.raises(SignatureError, match="sigstore is not installed") as caught:
        source(require_signatures=True).fetch([artifact], store, recording)
    assert "pip install" in caught.value.hint
    assert not site.requests_for("/kubelet")


# --- Locked files --------------------------------------------------------------------------------


def test_fetched_file_is_verified_on_another_machine(kubelet, source, tmp_path, recording):
    artifact = kubelet()
    assert source().fetch([artifact], Store(tmp_path / "other"), recording)
    assert recording.warnings == []


@pytest.mark.parametrize(
    "locked",
    [
        dataclasses.replace(SIGNED, identity=f"x{IDENTITY}"),
        dataclasses.replace(SIGNED, issuer="https://issuer.invalid"),
        dataclasses.replace(SIGNED, log_index=1),
        dataclasses.replace(SIGNED, time=1),
    ],
)
def test_another_signer_than_locked_is_an_error(kubelet, site, source, tmp_path, recording, locked):
    artifact = dataclasses.replace(kubelet(), signature=locked)
    with pytest.raises(SignatureError) as caught:
        source().fetch([artifact], Store(tmp_path / "other"), recording)
    assert caught.value.message == f"kubelet amd64: signed by {SIGNED}, kubeparcel.lock has {locked}."
    assert "inv resolve --refresh kubelet" in caught.value.hint
    assert not site.requests_for("/kubelet")


def test_locked_digest_without_a_valid_signature_is_not_fetched(kubelet, site, source, tmp_path, recording):
    """Somebody replaced the file, and its digest in the lock."""
    data = site.files[KUBELET] = b"\x7fELF something else"
    artifact = dataclasses.replace(kubelet(), digest=f"sha256:{hashlib.sha256(data).hexdigest()}")
    with pytest.raises(SignatureError, match="it signs another file"):
        source().fetch([artifact], Store(tmp_path / "other"), recording)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("v1.36.3", "v1.25.16"),
        ("/kubelet", "/kubelet-signed-by-nobody"),
        ("https://dl.k8s.io", "https://other.invalid"),
    ],
)
def test_locked_file_that_upstream_does_not_sign_is_not_fetched_if_signatures_are_required(
    kubelet, site, source, tmp_path, recording, before, after
):
    """Somebody edited the lock, to lead to a file without a signature."""
    locked = kubelet()
    artifact = dataclasses.replace(locked, origin=locked.origin.replace(before, after), signature=None)
    with pytest.raises(SignatureError, match=r"the signature is required, and upstream does not sign https://"):
        source(require_signatures=True).fetch([artifact], Store(tmp_path / "other"), recording)
    assert not site.requests_for(after)


def test_signature_that_a_mirror_dropped_is_reported(kubelet, site, source, tmp_path, recording):
    artifact = kubelet()
    del site.files[f"{KUBELET}.sigstore.json"]
    assert source().fetch([artifact], Store(tmp_path / "other"), recording)
    (warning,) = recording.warnings
    assert warning.startswith("The signatures in kubeparcel.lock (kubelet amd64) were not verified here:")
    with pytest.raises(SignatureError, match="the signature is required"):
        source(require_signatures=True).fetch([artifact], Store(tmp_path / "third"), recording)


# --- The trust root ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"mediaType": 1}', "[" * 60_000])
def test_invalid_trust_root_is_an_error(kubelet, source, tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"The trust root .*bad\.json is invalid"):
        kubelet(source(trust_root=str(path)))


def test_missing_trust_root_is_an_error(kubelet, source):
    with pytest.raises(ConfigurationError, match=r"/nowhere/root\.json cannot be read: No such file"):
        kubelet(source(trust_root="/nowhere/root.json"))


def test_signature_of_a_test_authority_is_not_valid_for_the_public_instance(kubelet, source, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with pytest.raises(SignatureError, match="its certificate was not issued by a trusted authority"):
        kubelet(source(trust_root=""))
