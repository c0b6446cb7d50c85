"""Signatures of resolved and fetched files: valid and missing ones, and those that kubeparcel.lock requires."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from kubeparcel.errors import SignatureError
from kubeparcel.model import Arch, Version
from kubeparcel.sources import signature_verifier
from kubeparcel.store import Store
from tests.sources.conftest import V1363
from tests.sources.signatures.conftest import FOLDER, KUBELET, SIGNED
from tests.support.recording_log import RecordingLog
from tests.support.sigstore_authority import IDENTITY, SIGNED_AT, Authority, authority


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
