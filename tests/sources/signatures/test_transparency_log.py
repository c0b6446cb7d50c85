"""Signatures without a bundle are completed by their entry in the transparency log."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeparcel.errors import SignatureError
from kubeparcel.model import Arch
from kubeparcel.sources.signature_bundle import build_bundle, oldest_entry, parse_bundle
from tests.sources.conftest import V1363
from tests.sources.signatures.conftest import FOLDER, KUBELET, LOG, SIGNED
from tests.support.sigstore_authority import authority
from tests.support.upstream_site import other_content, redirect, status

LOG_KEYS = [
    *("body", "integratedTime", "logID", "logIndex", "verification", "signedEntryTimestamp", "inclusionProof"),
    *("rootHash", "treeSize", "hashes", "checkpoint"),
]


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
