"""What clients of a repository would reject is not imported, and neither is what would break ours."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from email.utils import formatdate
from pathlib import Path

import pytest

from kubeparcel.doctor import apt
from kubeparcel.errors import CheckFailed, ExternalError, UsageError
from kubeparcel.importing import importer
from kubeparcel.packages.payload_stream import plain_blocks
from kubeparcel.paths import cache_dir
from kubeparcel.repository.policy import PolicyViolation
from tests.acceptance.doctor_peers import GpgSigner
from tests.importing.conftest import serve
from tests.importing.flat_repository import write_flat
from tests.support.client_view import read_apt_suite, read_yum_suite
from tests.support.package_builders import deb, rpm
from tests.support.repository_fixtures import publish_folder

KUBELET = "kubelet_1.36.3-1_amd64.deb"


@pytest.mark.parametrize(
    ("edit", "fields", "message"),
    [
        (("", ""), f"Valid-Until: {formatdate(1_700_000_000, usegmt=True)}\n", "expected a Valid-Until in the future"),
        (("Package: kubectl", "Package: kubelet2"), "", "kubelet2 1.36.3-1 amd64 (deb), found kubectl 1.36.3-1 amd64"),
        (("Depends: kubernetes-cni (>= 1.2.0), util-linux\n", ""), "", "dependencies as in the index"),
    ],
)
def test_index_that_clients_reject_is_refused(refused, flat, theirs, edit, fields, message):
    write_flat(flat, theirs, edit=edit, fields=fields)
    assert message in refused(flat, CheckFailed)


@pytest.mark.parametrize("path", ["../outside.deb", "/etc/outside.deb", "https://example.invalid/outside.deb"])
def test_entry_with_a_path_outside_the_repository_is_left_out_and_reported(run, flat, repo, theirs, path):
    shutil.copy(flat / KUBELET, flat.parent / "outside.deb")
    write_flat(flat, theirs, edit=("Filename: ./kubectl_1.36.3-1_amd64.deb", f"Filename: {path}"))
    result = run(flat)
    assert result.exit_code == 1
    assert "left out" in result.as_text()
    assert path in result.as_text()
    assert len(read_apt_suite(repo, "stable")) == 4


@pytest.mark.parametrize(
    ("base", "error", "message"),
    [
        ("../../..", None, "is not a complete URL"),
        ("https://packages.example.invalid/x", ExternalError, "packages.example.invalid"),
    ],
)
def test_rpm_outside_of_the_repository_is_refused_or_left_out(run, refused, both, repo, theirs, base, error, message):
    source = both / "yum/stable"
    move_kubectl(source, theirs, base)
    if error:
        assert message in refused(source, error)
    else:
        result = run(source)
        assert (result.exit_code, len(result.problems)) == (1, 1)
        assert message in result.problems[0]
        assert len(read_yum_suite(repo, "stable")) == 4


def move_kubectl(root: Path, signer: GpgSigner, base: str) -> None:
    """Let the index of a yum repository claim that its kubectl is in another folder, or at another URL."""
    primary = next((root / "repodata").glob("*primary.xml*"))
    text = b"".join(plain_blocks(primary.name, [primary.read_bytes()])).decode()
    text, count = re.subn(r'<location href="([^"]*kubectl)', rf'<location xml:base="{base}" href="\1', text)
    assert count == 1
    data = gzip.compress(text.encode())
    (root / "repodata/primary.xml.gz").write_bytes(data)
    (root / "repodata/repomd.xml").write_text(
        '<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary">'
        f'<checksum type="sha256">{hashlib.sha256(data).hexdigest()}</checksum>'
        f'<location href="repodata/primary.xml.gz"/><size>{len(data)}</size></data></repomd>'
    )
    signer.sign_metadata(root)


def test_source_that_changes_is_read_again(run, flat, repo, theirs, monkeypatch):
    """The kubelet of the next generation is there, its index is not yet."""
    deb(flat, "kubelet", "1.36.3-1", depends="kubernetes-cni (>= 1.2.0), util-linux", body=b"rebuilt")
    monkeypatch.setattr(importer.time, "sleep", lambda _: write_flat(flat, theirs))
    run(flat)
    assert read_apt_suite(repo, "stable")[KUBELET] == hashlib.sha256((flat / KUBELET).read_bytes()).hexdigest()


@pytest.mark.parametrize("change", ["package", "missing", "index", "signature"])
def test_source_that_stays_inconsistent_is_reported(refused, flat, change):
    if change == "missing":
        (flat / KUBELET).unlink()
    else:
        path = flat / {"package": KUBELET, "index": "Packages.gz", "signature": "InRelease"}[change]
        data = bytearray(path.read_bytes())
        data[len(data) // 2 if change != "signature" else 100] ^= 1
        path.write_bytes(data)
    assert "being published, or damaged; it was read 3 times" in refused(flat, CheckFailed)


def test_two_files_of_one_package_in_the_source_are_refused(run, refused, flat, repo, theirs):
    deb(flat / "more", "kubectl", "1.36.3-1", body=b"other")
    write_flat(flat, theirs)
    message = refused(flat, PolicyViolation)
    assert message.startswith("The repository has two different files of kubectl 1.36.3-1 amd64 (deb).")
    assert "more/kubectl_1.36.3-1_amd64.deb (sha256 " in message
    assert "Its publisher has to remove one." in message, "both are in one suite"
    run(flat, "kubelet")
    assert len(read_apt_suite(repo, "stable")) == 3


@pytest.mark.parametrize("make", [deb, rpm])
def test_package_that_is_published_with_other_bytes_is_refused(run, both, repo, signers, tmp_path, make):
    make(tmp_path / "ours", "kubectl", "1.36.3-1", body=b"ours")
    publish_folder(tmp_path / "ours", repo, key=str(signers.ours.secret))
    with serve(both) as site, pytest.raises(PolicyViolation, match=r"kubectl 1\.36\.3-1 .* different content"):
        run(site.url)
    assert not list(cache_dir().glob("sha256/*/*")), "nothing was fetched"
    assert run(both, "kubelet").exit_code == 0


def test_package_without_its_companions_is_refused(refused, theirs, tmp_path):
    deb(tmp_path / "source", "kubelet", "1.36.3-1", depends="kubernetes-cni (>= 1.2.0)")
    write_flat(tmp_path / "source", theirs)
    message = refused(tmp_path / "source", PolicyViolation, "kubelet")
    assert "kubernetes-cni (>= 1.2.0), which is missing" in message
    assert "cri-tools for amd64 (deb) is missing" in message


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("kubelte", "matches --only 'kubelte'.\nNearest names: kubelet, kubectl."),
        ("kubelet=1.35.*", "Nearest versions: kubelet=1.36.3-1."),
        ("=", "Empty pattern '='"),
    ],
)
def test_pattern_that_matches_nothing_names_the_nearest(refused, flat, only, message):
    assert message in refused(flat, UsageError, only)


def test_architecture_that_the_source_lacks_is_an_error(refused, flat, both):
    for source in (flat, both):
        message = refused(source, UsageError, arches=("amd64", "s390x"))
        assert f"{source} has no packages for s390x.\nIt has amd64." in message


def test_suite_that_the_source_lacks_is_an_error(refused, both):
    assert "No repository at" in refused(both, UsageError, suites=("v9",))


def test_index_above_the_limit_is_refused(refused, flat, monkeypatch):
    monkeypatch.setattr(apt, "MAX_LISTED", 100)
    message = refused(flat, CheckFailed)
    assert "too large to be read" in message
    assert "read 3 times" not in message


def test_index_in_an_unsupported_compression_only_is_refused(refused, flat, theirs):
    write_flat(flat, theirs, files={"Packages.lz4": b"\x04\x22M\x18"})
    assert "no form that can be read (plain, xz, gz" in refused(flat, CheckFailed)


def test_unreachable_source_is_an_error(refused):
    assert "127.0.0.1:9" in refused("http://127.0.0.1:9/", ExternalError)


def test_bucket_that_may_only_be_read_fails_before_anything_is_fetched(run, both, proxy, bucket):
    proxy.read_only = True
    with serve(both) as site, pytest.raises(ExternalError, match="access denied"):
        run(site.url, to=bucket)
    assert not list(cache_dir().glob("sha256/*/*"))
    proxy.read_only = False
    assert len(run(both, to=bucket).new) == 10
