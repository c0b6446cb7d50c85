"""Mirrors of upstream: over HTTP and in folders, complete and incomplete ones."""

from __future__ import annotations

import pytest

from kubeparcel.errors import ConfigurationError, DownloadError, UnknownVersion, Unreachable
from kubeparcel.model import Arch, Version
from kubeparcel.sources.upstream import Upstream
from tests.sources.conftest import V1363
from tests.support.upstream_site import RELEASED


def test_unpublished_architecture_is_reported(site, upstream):
    site.publish_release(upstream, "kubernetes", "1.36.3")
    with pytest.raises(UnknownVersion, match=r"no Kubernetes 1\.36\.3 for s390x"):
        upstream.pin("kubernetes", V1363, [Arch.AMD64, Arch.S390X])


@pytest.mark.parametrize("others", [1, 2])
def test_architecture_that_a_list_of_checksums_lacks_is_unpublished(site, upstream, others):
    version = Version.parse("3.6.8")
    (artifact,) = upstream.artifacts("etcd", version, Arch.S390X)
    names = [f"etcd-v3.6.8-linux-{arch}.tar.gz" for arch in ("amd64", "arm64")][:others]
    path = "/" + upstream.checksum_url(artifact).partition("://")[2]
    site.files[path] = "".join(f"{'0' * 64}  {name}\n" for name in names).encode()
    with pytest.raises(UnknownVersion, match=r"no etcd 3\.6\.8 for s390x"):
        upstream.pin("etcd", version, [Arch.S390X])


def test_mirror_without_last_modified_is_reported(site, upstream):
    site.publish_release(upstream, "kubernetes", "1.36.3")
    path = "/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubeadm"

    def without_date(handler, data):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    site.faults[path] = [without_date]
    with pytest.raises(DownloadError, match="Last-Modified"):
        upstream.pin("kubernetes", V1363, [Arch.AMD64])


@pytest.fixture(params=["http", "folder"])
def mirror_without_checksums(request, site, upstream, from_mirror, tmp_path) -> Upstream:
    """A mirror that has complete releases, but no .sha256 files."""
    for component, version in (("kubernetes", "1.31.4"), ("cri-tools", "1.31.1"), ("cni", "1.5.1")):
        site.publish_release(upstream, component, version)
    site.publish_marker("stable", "v1.31.4")
    site.publish_marker("stable-1.31", "v1.31.4")
    for path in [path for path in site.files if path.endswith(".sha256")]:
        del site.files[path]
    if request.param == "http":
        return upstream
    site.write_to(tmp_path / "mirror")
    return from_mirror(str(tmp_path / "mirror"))


@pytest.mark.parametrize(
    ("component", "version", "file"),
    [
        ("kubernetes", "1.31.4", "dl.k8s.io/release/v1.31.4/bin/linux/amd64/kubeadm"),
        ("cri-tools", "1.31.1", "crictl-v1.31.1-linux-amd64.tar.gz"),
        ("cni", "1.5.1", "cni-plugins-linux-amd64-v1.5.1.tgz"),
    ],
)
def test_missing_checksum_file_is_not_taken_for_a_missing_release(mirror_without_checksums, component, version, file):
    parsed = Version.parse(version)
    lookups = [
        lambda: mirror_without_checksums.is_published(component, parsed),
        lambda: mirror_without_checksums.pin(component, parsed, [Arch.AMD64]),
    ]
    if component == "kubernetes":
        lookups.append(lambda: mirror_without_checksums.resolve_kubernetes(version))
    for look_up in lookups:
        with pytest.raises(UnknownVersion) as caught:
            look_up()
        assert caught.value.message.endswith(f"{file}.sha256 is missing, although {file.rpartition('/')[2]} exists.")
        assert "copy the checksum files" in caught.value.hint.lower()
        assert "inv mirror" in caught.value.hint


def test_marker_of_a_release_without_files_is_named(site, upstream):
    site.publish_marker("stable", "v1.31.4")
    site.publish_marker("stable-1.31", "v1.31.4")
    with pytest.raises(UnknownVersion) as caught:
        upstream.resolve_kubernetes("1.31.4")
    assert "has no files of Kubernetes 1.31.4, although" in caught.value.message
    assert "stable-1.31.txt names it." in caught.value.message


def test_download_size_is_known_before_a_download(site, upstream, from_mirror, tmp_path, store, log):
    site.publish_release(upstream, "cri-tools", "1.36.0")
    [artifact] = upstream.pin("cri-tools", Version.parse("1.36.0"), [Arch.AMD64]).artifacts
    size = len(site.files["/" + artifact.origin.partition("://")[2]])
    site.write_to(tmp_path / "mirror")
    for source in (upstream, from_mirror(str(tmp_path / "mirror"))):
        assert source.download_size(artifact) == size
    assert upstream.cached(artifact, store) is None
    upstream.fetch([artifact], store, log)
    assert list(upstream.cached(artifact, store)) == ["crictl"]


def test_checksums_without_files_are_enough_to_count_patches(site, upstream):
    """As `inv mirror` leaves them for earlier patches."""
    path = "/github.com/kubernetes-sigs/cri-tools/releases/download/v1.36.0/crictl-v1.36.0-linux-amd64.tar.gz"
    site.files[f"{path}.sha256"] = b"ab" * 32
    assert upstream.is_published("cri-tools", Version.parse("1.36.0"))


def test_folder_can_be_a_mirror(site, upstream, from_mirror, tmp_path):
    site.publish_marker("stable", "v1.36.3")
    site.publish_release(upstream, "kubernetes", "1.36.3")
    site.write_to(tmp_path / "mirror")
    for mirror in (str(tmp_path / "mirror"), f"file://{tmp_path}/mirror"):
        mirror_source = from_mirror(mirror)
        mirror_source.probe()
        assert mirror_source.resolve_kubernetes("stable") == V1363
        assert mirror_source.resolve_kubernetes("1.36.3") == V1363
        pinned = mirror_source.pin("kubernetes", V1363, [Arch.AMD64])
        assert pinned.artifacts == upstream.pin("kubernetes", V1363, [Arch.AMD64]).artifacts
        assert pinned.released > RELEASED - 10**9


def test_missing_mirror_folder_is_reported(from_mirror, tmp_path):
    mirror_source = from_mirror(str(tmp_path / "none"))
    for ask in (mirror_source.probe, lambda: mirror_source.resolve_kubernetes("stable"), mirror_source.list_versions):
        with pytest.raises(Unreachable, match=r"The mirror folder .* does not exist"):
            ask()


def test_mirror_with_an_unknown_scheme_is_rejected(from_mirror):
    with pytest.raises(ConfigurationError, match="ftp://"):
        from_mirror("ftp://mirror.example/")
