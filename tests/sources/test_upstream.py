"""Source `upstream`: versions, digests and dates of releases."""

import hashlib
import subprocess
import sys

import pytest

from kubeparcel.errors import DownloadError, UnknownVersion
from kubeparcel.model import Arch, Version
from tests.sources.conftest import V1363
from tests.support.upstream_site import RELEASED


@pytest.mark.parametrize(
    ("requested", "marker", "version"),
    [
        ("stable", "stable", "v1.36.3"),
        ("1.36", "stable-1.36", "v1.36.3\n"),
        ("v1.36", "stable-1.36", "v1.36.3\n"),
        ("latest", "latest", "v1.37.0-rc.1"),
    ],
)
def test_version_is_that_in_its_marker(site, upstream, requested, marker, version):
    site.publish_marker(marker, version)
    assert f"v{upstream.resolve_kubernetes(requested)}" == version.strip()


@pytest.mark.parametrize("requested", ["1.36.3", "v1.36.3", "1.37.0-rc.1"])
def test_exact_version_is_used_if_it_is_published(site, upstream, requested):
    site.publish_release(upstream, "kubernetes", requested)
    assert str(upstream.resolve_kubernetes(requested)) == requested.removeprefix("v")


def test_release_for_one_architecture_counts_as_published(site, upstream):
    site.publish_release(upstream, "kubernetes", "1.36.3", Arch.S390X)
    assert upstream.is_published("kubernetes", V1363)


@pytest.mark.parametrize(
    ("requested", "markers", "message"),
    [
        ("1.99", {}, "no Kubernetes 1.99: the newest release is 1.37.2"),
        ("1.36.99", {"stable-1.36": "v1.36.3"}, "the newest 1.36 is 1.36.3"),
        ("1.38", {"latest-1.38": "v1.38.0-beta.1"}, "1.38 has only 1.38.0-beta.1"),
    ],
)
def test_unknown_version_is_reported_with_the_nearest_one(site, upstream, requested, markers, message):
    for marker, version in {"stable": "v1.37.2", **markers}.items():
        site.publish_marker(marker, version)
    with pytest.raises(UnknownVersion) as caught:
        upstream.resolve_kubernetes(requested)
    assert message in str(caught.value)
    assert "inv versions" in str(caught.value)


def test_marker_without_a_version_is_reported(site, upstream):
    site.publish_marker("stable", "<html>Please log in</html>")
    with pytest.raises(DownloadError) as caught:
        upstream.resolve_kubernetes("stable")
    assert f"{site.url}/dl.k8s.io/release/stable.txt contains '<html>" in str(caught.value)
    assert "login page" in str(caught.value)


def test_versions_are_the_newest_of_each_minor_newest_first(site, upstream):
    site.publish_marker("stable", "v1.36.3")
    for text in ("v1.36.3", "v1.35.9", "v1.33.12", "v1.11.10", "v1.10.13"):
        site.publish_marker(f"stable-{text[1:5]}", text)
    versions = ["1.36.3", "1.35.9", "1.33.12", "1.11.10"]
    for latest, newer in (("v1.36.3", []), ("v1.36.4-rc.0", ["1.36.4-rc.0"]), ("v1.37.0-rc.1", ["1.37.0-rc.1"])):
        site.publish_marker("latest", latest)
        assert [str(version) for version in upstream.list_versions()] == [*newer, *versions]


def test_pin_returns_every_file_with_its_digest_and_the_release_date(site, upstream):
    programs = site.publish_release(upstream, "kubernetes", "1.36.3")
    pinned = upstream.pin("kubernetes", V1363, [Arch.AMD64])
    digests = {a.name: a.digest for a in pinned.artifacts}
    assert digests == {name: f"sha256:{hashlib.sha256(data).hexdigest()}" for name, data in programs.items()}
    assert pinned.released == RELEASED


def test_lock_has_the_urls_of_upstream_even_with_a_mirror(site, upstream):
    site.publish_release(upstream, "cri-tools", "1.36.0")
    [artifact] = upstream.pin("cri-tools", Version.parse("1.36.0"), [Arch.AMD64]).artifacts
    assert artifact.name == "cri-tools"
    assert artifact.origin == (
        "https://github.com/kubernetes-sigs/cri-tools/releases/download/v1.36.0/crictl-v1.36.0-linux-amd64.tar.gz"
    )


def test_old_cni_plugins_have_their_old_file_name(upstream):
    [artifact] = upstream.artifacts("cni", Version.parse("0.6.0"), Arch.ARM64)
    assert artifact.origin.endswith("/v0.6.0/cni-plugins-arm64-v0.6.0.tgz")


def test_source_imports_large_libraries_only_when_needed():
    command = [sys.executable, "-c", "import sys, kubeparcel.sources.upstream; print(*sys.modules)"]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"requests", "pydantic", "zstandard", "filelock"} & {*modules}
