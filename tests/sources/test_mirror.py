"""Filling a folder that a site without a network builds from."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from kubeparcel.config import catalog
from kubeparcel.console import QuietLog
from kubeparcel.errors import ConfigurationError, DigestError, SignatureError
from kubeparcel.lock_models import InputPolicy, Lock, Request
from kubeparcel.model import Arch, Version
from kubeparcel.sources.mirror import fill_mirror
from kubeparcel.sources.upstream import Upstream
from kubeparcel.store import Store
from tests.support.recording_log import RecordingLog
from tests.support.sigstore_authority import authority
from tests.support.upstream_site import RELEASED

COMPONENTS = catalog.load().components


def lock_of(upstream: Upstream, site, kubernetes="1.36.3", cri_tools="1.36.0", *, signed=False) -> Lock:
    """Publish a release and lock it."""
    versions = {"kubernetes": kubernetes, "cri-tools": cri_tools, "cni": "1.9.1"}
    for component, version in versions.items():
        site.publish_release(upstream, component, version, signed=signed)
    return lock_of_published(upstream, kubernetes, cri_tools)


def lock_of_published(upstream: Upstream, kubernetes="1.36.3", cri_tools="1.36.0") -> Lock:
    """Lock a release that is published."""
    versions = {"kubernetes": kubernetes, "cri-tools": cri_tools, "cni": "1.9.1"}
    pins = (upstream.pin(c, Version.parse(v), [Arch.AMD64]) for c, v in versions.items())
    return Lock(Request(), "upstream", tuple(pins))


@pytest.fixture
def filled(site, upstream, store, tmp_path):
    """Return a lock, and the folder that was filled for it."""
    lock = lock_of(upstream, site, signed=True)
    fill_mirror(tmp_path / "mirror", lock, COMPONENTS, site.url, QuietLog(), store, upstream.accepted)
    return lock, tmp_path / "mirror"


@pytest.fixture
def upstream(site, from_mirror, tmp_path) -> Upstream:
    """Return the source that reads the site as a mirror, and trusts its signatures."""
    root = authority().write_trust_root(tmp_path / "root.json")
    return from_mirror(site.url, accepted=InputPolicy(trust_root=str(root)))


def test_mirror_has_everything_that_a_lock_needs(filled, site, upstream, from_mirror, tmp_path):
    lock, folder = filled
    before = len(site.requests)
    mirror_source = from_mirror(str(folder), accepted=upstream.accepted)
    mirror_source.probe()
    for requested in ("stable", "1.36", "1.36.3", "latest"):
        assert str(mirror_source.resolve_kubernetes(requested)) == "1.36.3"
    assert [str(version) for version in mirror_source.list_versions()] == ["1.36.3"]
    pins = tuple(mirror_source.pin(c.name, c.version, [Arch.AMD64]) for c in lock.components)
    assert pins == lock.components
    assert mirror_source.fetch(lock.artifacts, Store(tmp_path / "another"), QuietLog())
    assert len(site.requests) == before


def test_files_have_the_date_of_their_release(filled):
    _, folder = filled
    dates = {path.stat().st_mtime for path in folder.rglob("kube*") if path.is_file()}
    assert dates == {RELEASED}


def test_second_run_transfers_nothing(filled, site, tmp_path):
    lock, folder = filled
    before = len(site.requests)
    summary = fill_mirror(folder, lock, COMPONENTS, site.url, QuietLog(), Store(tmp_path / "empty"))
    assert summary.startswith("Nothing to do")
    assert len(site.requests) == before


def test_damaged_file_is_replaced(filled, site, upstream, store):
    lock, folder = filled
    kubelet = folder / "dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
    good = kubelet.read_bytes()
    kubelet.write_bytes(b"damaged")
    assert "1 new file," in fill_mirror(folder, lock, COMPONENTS, site.url, QuietLog(), store, upstream.accepted)
    assert kubelet.read_bytes() == good


def test_markers_name_the_newest_mirrored_release(filled, site, upstream, from_mirror, store):
    _, folder = filled
    for version in ("1.35.9", "1.37.0-rc.1"):
        fill_mirror(folder, lock_of(upstream, site, version), COMPONENTS, site.url, QuietLog(), store)
    mirror_source = from_mirror(str(folder))
    assert str(mirror_source.resolve_kubernetes("stable")) == "1.36.3"
    assert str(mirror_source.resolve_kubernetes("1.35")) == "1.35.9"
    assert str(mirror_source.resolve_kubernetes("latest")) == "1.37.0-rc.1"
    assert [str(version) for version in mirror_source.list_versions()] == ["1.37.0-rc.1", "1.36.3", "1.35.9"]


def test_checksums_of_earlier_patches_are_mirrored(site, upstream, from_mirror, store, tmp_path):
    for patch in range(2):
        site.publish_release(upstream, "cri-tools", f"1.36.{patch}")
    lock = lock_of(upstream, site, cri_tools="1.36.2")
    fill_mirror(tmp_path / "mirror", lock, COMPONENTS, site.url, QuietLog(), store)
    mirror_source = from_mirror(str(tmp_path / "mirror"))
    out = [mirror_source.is_published("cri-tools", Version(1, 36, patch)) for patch in range(4)]
    assert out == [True, True, True, False]


def test_release_with_a_wrong_file_does_not_become_visible(site, upstream, store, tmp_path):
    lock = lock_of(upstream, site)
    site.files["/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"] = b"replaced"
    with pytest.raises(DigestError):
        fill_mirror(tmp_path / "mirror", lock, COMPONENTS, site.url, QuietLog(), store)
    assert not [path for path in tmp_path.glob("mirror/**/*") if path.is_file()]


def test_changed_checksum_of_upstream_is_not_mirrored(site, upstream, store, tmp_path):
    lock = lock_of(upstream, site)
    site.files["/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet.sha256"] = b"0" * 64
    with pytest.raises(DigestError, match="inv resolve --refresh"):
        fill_mirror(tmp_path / "mirror", lock, COMPONENTS, site.url, QuietLog(), store)
    assert not list(tmp_path.glob("mirror/**/stable*.txt"))


def test_mirror_has_the_signatures(filled, upstream, from_mirror, tmp_path):
    lock, folder = filled
    assert all(artifact.signature for artifact in lock.component("kubernetes").artifacts)
    strict = from_mirror(str(folder), accepted=dataclasses.replace(upstream.accepted, require_signatures=True))
    assert strict.pin("kubernetes", Version.parse("1.36.3"), [Arch.AMD64]) == lock.component("kubernetes")
    assert strict.fetch(lock.artifacts, Store(tmp_path / "another"), QuietLog())


def test_mirror_of_separate_signatures_has_bundles(site, upstream, from_mirror, store, tmp_path):
    """A mirror in a folder has no transparency log."""
    for artifact in lock_of(upstream, site).component("kubernetes").artifacts:
        data = site.files["/" + artifact.origin.partition("://")[2]]
        site.sign_file(artifact.origin, authority().sign(data), bundle=False)
    lock = lock_of_published(upstream)
    fill_mirror(tmp_path / "mirror", lock, COMPONENTS, site.url, QuietLog(), store, upstream.accepted)
    mirror_source = from_mirror(str(tmp_path / "mirror"), accepted=upstream.accepted)
    assert mirror_source.pin("kubernetes", Version.parse("1.36.3"), [Arch.AMD64]) == lock.component("kubernetes")


def test_bundle_of_a_replaced_file_is_replaced(filled, site, upstream, from_mirror, store, tmp_path):
    lock, folder = filled
    origin = lock.component("kubernetes").artifacts[0].origin
    site.publish_file(origin, b"rebuilt")
    site.sign_file(origin, authority().sign(b"rebuilt"))
    lock = lock_of_published(upstream)
    fill_mirror(folder, lock, COMPONENTS, site.url, QuietLog(), store, upstream.accepted)
    mirror_source = from_mirror(str(folder), accepted=upstream.accepted)
    assert mirror_source.fetch(lock.artifacts, Store(tmp_path / "another"), QuietLog())


def test_unsigned_files_of_a_mirror_are_reported(site, upstream, store, tmp_path):
    lock, log = lock_of(upstream, site), RecordingLog()
    fill_mirror(tmp_path / "mirror", lock, COMPONENTS, site.url, log, store, upstream.accepted)
    (warning,) = log.warnings
    assert warning.startswith("3 files will have no signature in the mirror. kubeadm amd64: ")


def test_invalid_signature_is_not_mirrored(site, upstream, store, tmp_path):
    lock = lock_of(upstream, site)
    artifact = lock.component("kubernetes").artifacts[0]
    site.sign_file(artifact.origin, authority().sign(b"another file"))
    with pytest.raises(SignatureError, match="it signs another file"):
        fill_mirror(tmp_path / "mirror", lock, COMPONENTS, site.url, QuietLog(), store, upstream.accepted)
    assert not [path for path in tmp_path.glob("mirror/**/*") if path.is_file()]


@pytest.mark.parametrize("kind", ["sha512", "sha1"])
def test_other_checksums_are_mirrored(site, upstream, from_mirror, store, tmp_path, kind):
    lock_of(upstream, site, cri_tools="1.36.1")
    site.publish_release(upstream, "cri-tools", "1.36.0")
    site.replace_checksums("crictl", kind)
    accepted = InputPolicy(accept_sha1=True)
    lock = lock_of_published(from_mirror(site.url, accepted=accepted), cri_tools="1.36.1")
    fill_mirror(tmp_path / "mirror", lock, COMPONENTS, site.url, QuietLog(), store, accepted)
    mirror_source = from_mirror(str(tmp_path / "mirror"), accepted=accepted)
    assert mirror_source.is_published("cri-tools", Version.parse("1.36.0"))
    pinned = mirror_source.pin("cri-tools", Version.parse("1.36.1"), [Arch.AMD64])
    assert pinned == lock.component("cri-tools")
    assert pinned.artifacts[0].checksum == kind


def test_lock_of_go_modules_cannot_be_mirrored(store, tmp_path):
    lock = Lock(Request(), "go", ())
    with pytest.raises(ConfigurationError, match="--source upstream"):
        fill_mirror(tmp_path / "mirror", lock, COMPONENTS, "", QuietLog(), store)


def test_mirror_can_be_served_over_http(filled, upstream, tmp_path):
    lock, folder = filled
    second = tmp_path / "second"
    store = Store(tmp_path / "other")
    summary = fill_mirror(second, lock, COMPONENTS, str(folder), QuietLog(), store, upstream.accepted)
    assert f"Next: inv build --mirror {second}" in summary
    subprocess.run(["diff", "-r", folder, second], check=True)
