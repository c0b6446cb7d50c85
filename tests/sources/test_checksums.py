"""Checksums of upstream's files: every notation and name, and old releases without SHA-256."""

from __future__ import annotations

import hashlib

import pytest

from kubeparcel.errors import ConfigurationError, DigestError, DownloadError
from kubeparcel.lock_models import InputPolicy
from kubeparcel.model import Arch, Version
from tests.sources.conftest import V1363


@pytest.mark.parametrize(
    "form", ["{digest}", "{digest}\n", "{DIGEST}", "{digest}  kubeadm\n", "{digest} *kubeadm",
             "0  other\n{digest}  kubeadm\n"]
)  # fmt: skip
def test_checksum_file_is_read_in_every_notation(site, upstream, form):
    digest = "ab" * 32
    site.publish_release(upstream, "kubernetes", "1.36.3")
    path = "/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubeadm.sha256"
    site.files[path] = form.format(digest=digest, DIGEST=digest.upper()).encode()
    pinned = upstream.pin("kubernetes", V1363, [Arch.AMD64])
    assert pinned.artifacts[0].digest == f"sha256:{digest}"


@pytest.mark.parametrize("text", ["", "<html>", "d41d8cd98f00b204e9800998ecf8427e"])
def test_invalid_checksum_file_is_reported_with_its_url(site, upstream, text):
    site.publish_release(upstream, "kubernetes", "1.36.3")
    path = "/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet.sha256"
    site.files[path] = text.encode()
    with pytest.raises(DownloadError) as caught:
        upstream.pin("kubernetes", V1363, [Arch.AMD64])
    assert f"{site.url}{path} contains no sha256 of kubelet" in str(caught.value)


@pytest.mark.parametrize(
    ("component", "version", "file", "checksums"),
    [
        ("etcd", "3.6.8", "etcd-v3.6.8-linux-amd64.tar.gz", "SHA256SUMS"),
        ("etcdctl", "3.6.8", "etcd-v3.6.8-linux-amd64.tar.gz", "SHA256SUMS"),
        ("helm", "4.3.1", "helm-v4.3.1-linux-amd64.tar.gz", "helm-v4.3.1-linux-amd64.tar.gz.sha256sum"),
    ],
)
def test_checksum_files_have_the_name_that_the_project_gives_them(site, upstream, component, version, file, checksums):
    (artifact,) = upstream.artifacts(component, Version.parse(version), Arch.AMD64)
    path = site.publish_file(artifact.origin, b"archive")
    digest = site.files.pop(f"{path}.sha256").decode()
    site.files[f"{path.rpartition('/')[0]}/{checksums}"] = f"{'0' * 64}  other\n{digest}  {file}\n".encode()
    pinned = upstream.pin(component, Version.parse(version), [Arch.AMD64])
    assert pinned.artifacts[0].digest == f"sha256:{digest}"


V1113 = Version.parse("1.11.3")


@pytest.fixture
def old_release(site, upstream):
    """Return a function that publishes 1.11.3 with checksums of one kind; it returns the files."""

    def publish(kind: str) -> dict[str, bytes]:
        programs = site.publish_release(upstream, "kubernetes", "1.11.3")
        site.replace_checksums("v1.11.3", kind)
        return programs

    return publish


@pytest.mark.parametrize("kind", ["sha512", "sha1"])
def test_release_without_sha256_is_pinned_by_the_sha256_of_its_files(site, from_mirror, old_release, store, log, kind):
    programs = old_release(kind)
    upstream = from_mirror(site.url, accepted=InputPolicy(accept_sha1=True))
    assert upstream.is_published("kubernetes", V1113)
    component = upstream.pin("kubernetes", V1113, [Arch.AMD64])
    digests = {artifact.name: artifact.digest for artifact in component.artifacts}
    assert digests == {name: f"sha256:{hashlib.sha256(data).hexdigest()}" for name, data in programs.items()}
    assert {artifact.checksum for artifact in component.artifacts} == {kind}
    downloads = len(site.requests_for("/kubelet"))
    assert upstream.pin("kubernetes", V1113, [Arch.AMD64]) == component
    assert upstream.fetch(component.artifacts, upstream.store, log)
    assert len(site.requests_for("/kubelet")) == downloads


def test_sha1_is_accepted_only_on_request(site, upstream, old_release):
    old_release("sha1")
    with pytest.raises(ConfigurationError) as caught:
        upstream.pin("kubernetes", V1113, [Arch.AMD64])
    assert "has only SHA-1 checksums of Kubernetes 1.11.3" in caught.value.message
    assert "--accept-sha1" in caught.value.hint
    assert not site.requests_for("/kubelet")


def test_sha256_is_preferred_even_if_sha1_is_accepted(site, from_mirror, upstream):
    site.publish_release(upstream, "kubernetes", "1.11.3")
    for path in [path for path in site.files if path.endswith(".sha256")]:
        site.files[path.replace(".sha256", ".sha1")] = b"0" * 40
    component = from_mirror(site.url, accepted=InputPolicy(accept_sha1=True)).pin("kubernetes", V1113, [Arch.AMD64])
    assert {artifact.checksum for artifact in component.artifacts} == {""}


@pytest.mark.parametrize("kind", ["sha512", "sha1"])
def test_file_with_another_checksum_is_quarantined(site, from_mirror, old_release, kind):
    old_release(kind)
    site.files["/dl.k8s.io/release/v1.11.3/bin/linux/amd64/kubelet"] = b"something else"
    upstream = from_mirror(site.url, accepted=InputPolicy(accept_sha1=True))
    with pytest.raises(DigestError, match=f"kubelet amd64: the download's {kind} is") as caught:
        upstream.pin("kubernetes", V1113, [Arch.AMD64])
    assert "quarantine/kubelet-amd64-" in caught.value.hint


def test_partial_download_of_another_file_is_replaced(site, from_mirror, old_release):
    programs = old_release("sha512")
    upstream = from_mirror(site.url)
    digest = hashlib.sha512(programs["kubelet"]).hexdigest()
    upstream.store.partial(f"kubelet-amd64-{digest[:64]}").write_bytes(b"of another file")
    assert upstream.pin("kubernetes", V1113, [Arch.AMD64]).artifacts


def test_changed_file_in_the_store_is_not_taken_for_the_published_one(site, from_mirror, old_release):
    programs = old_release("sha512")
    upstream = from_mirror(site.url)
    before = upstream.pin("kubernetes", V1113, [Arch.AMD64])
    upstream.store.path(hashlib.sha256(programs["kubelet"]).hexdigest()).write_bytes(b"changed")
    assert upstream.pin("kubernetes", V1113, [Arch.AMD64]) == before


@pytest.mark.parametrize("text", [b"<html>", b"", b"0" * 40 + b"0", b"0" * 64])
def test_sha1_file_without_a_digest_is_an_error(site, from_mirror, old_release, text):
    old_release("sha1")
    site.files["/dl.k8s.io/release/v1.11.3/bin/linux/amd64/kubelet.sha1"] = text
    with pytest.raises(DownloadError, match=r"kubelet\.sha1 contains no sha1 of kubelet"):
        from_mirror(site.url, accepted=InputPolicy(accept_sha1=True)).pin("kubernetes", V1113, [Arch.AMD64])
