"""Source `upstream`: versions, digests and dates."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys

import pytest

from kubeparcel.errors import ConfigurationError, DigestError, DownloadError, UnknownVersion, Unreachable
from kubeparcel.lock_models import InputPolicy
from kubeparcel.model import Arch, Version
from kubeparcel.paths import PACKAGE
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.upstream import Upstream
from tests.support.upstream_site import RELEASED, other_content, status

V1363 = Version.parse("1.36.3")


def test_stable_is_the_version_in_its_marker(site, upstream):
    site.publish_marker("stable", "v1.36.3")
    assert upstream.resolve_kubernetes("stable") == V1363


def test_minor_is_resolved_to_its_newest_patch(site, upstream):
    site.publish_marker("stable-1.36", "v1.36.3\n")
    assert upstream.resolve_kubernetes("1.36") == V1363
    assert upstream.resolve_kubernetes("v1.36") == V1363


def test_latest_may_be_a_prerelease(site, upstream):
    site.publish_marker("latest", "v1.37.0-rc.1")
    assert str(upstream.resolve_kubernetes("latest")) == "1.37.0-rc.1"


@pytest.mark.parametrize("requested", ["1.36.3", "v1.36.3", "1.37.0-rc.1"])
def test_exact_version_is_used_if_it_is_published(site, upstream, requested):
    site.publish_release(upstream, "kubernetes", requested)
    assert str(upstream.resolve_kubernetes(requested)) == requested.removeprefix("v")


def test_release_for_one_architecture_counts_as_published(site, upstream):
    site.publish_release(upstream, "kubernetes", "1.36.3", Arch.S390X)
    assert upstream.is_published("kubernetes", V1363)


def test_unknown_minor_is_reported_with_the_newest_release(site, upstream):
    site.publish_marker("stable", "v1.37.2")
    with pytest.raises(UnknownVersion) as caught:
        upstream.resolve_kubernetes("1.99")
    assert "no Kubernetes 1.99: the newest release is 1.37.2" in str(caught.value)
    assert "inv versions" in str(caught.value)


def test_unknown_patch_is_reported_with_the_newest_of_its_minor(site, upstream):
    site.publish_marker("stable", "v1.37.2")
    site.publish_marker("stable-1.36", "v1.36.3")
    with pytest.raises(UnknownVersion, match=r"the newest 1\.36 is 1\.36\.3"):
        upstream.resolve_kubernetes("1.36.99")


def test_minor_without_a_final_release_is_reported_with_its_prerelease(site, upstream):
    site.publish_marker("stable", "v1.37.2")
    site.publish_marker("latest-1.38", "v1.38.0-beta.1")
    with pytest.raises(UnknownVersion, match=r"1\.38 has only 1\.38\.0-beta\.1"):
        upstream.resolve_kubernetes("1.38")


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
    site.faults[path] = [without_date]
    with pytest.raises(DownloadError, match="Last-Modified"):
        upstream.pin("kubernetes", V1363, [Arch.AMD64])


def without_date(handler, data):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


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


def test_probe_succeeds_if_upstream_answers(site, upstream):
    site.publish_marker("stable", "v1.36.3")
    upstream.probe()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (status(403), "answered 403 (access denied, possibly by a proxy)"),
        (status(503), "answered 503 (server error)"),
        (status(404), "answered 404"),
    ],
)
def test_probe_reports_the_status_without_retrying(site, upstream, fault, message):
    site.faults["/dl.k8s.io/release/stable.txt"] = [fault] * 3
    with pytest.raises(Unreachable) as caught:
        upstream.probe()
    assert message in caught.value.message
    assert len(site.requests) == 1


def test_probe_reports_a_refused_connection(from_mirror):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port} refused the connection"):
            from_mirror(f"http://127.0.0.1:{port}").probe()


def test_probe_reports_an_unknown_host(from_mirror):
    with pytest.raises(Unreachable, match=r"mirror\.invalid (cannot be resolved|did not answer)"):
        from_mirror("http://mirror.invalid", RetryPolicy(probe_timeout=0.5)).probe()


def test_probe_times_out_if_there_is_no_answer(from_mirror):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(Unreachable, match=r"did not answer within 0\.5 s"):
            from_mirror(f"http://127.0.0.1:{port}", RetryPolicy(probe_timeout=0.5)).probe()


def test_login_page_is_not_taken_for_a_marker(site, upstream):
    site.faults["/dl.k8s.io/release/stable-1.36.txt"] = [other_content(b"<html>")]
    with pytest.raises(DownloadError, match="not a version"):
        upstream.resolve_kubernetes("1.36")


def test_passwords_of_mirrors_are_never_shown(from_mirror):
    with pytest.raises(Unreachable) as caught:
        from_mirror("http://me:secret@127.0.0.1:9/").probe()
    assert "secret" not in str(caught.value)


def test_source_imports_large_libraries_only_when_needed():
    code = (
        "import sys, kubeparcel.sources.upstream;"
        "print([m for m in ('requests', 'pydantic', 'zstandard', 'filelock') if m in sys.modules])"
    )
    env = {"PYTHONPATH": str(PACKAGE.parent)}
    argv = [sys.executable, "-c", code]
    completed = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"


# --- Old releases, of which upstream publishes other checksums ------------------------------------

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
