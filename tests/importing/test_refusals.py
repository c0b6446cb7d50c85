"""What clients of a repository would reject is not imported, and neither is what would break ours."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
from email.utils import formatdate
from pathlib import Path

import pytest

from kubeparcel.console import PlainLog, QuietLog
from kubeparcel.doctor import apt
from kubeparcel.errors import CheckFailed, ConfigurationError, ExternalError, KubeparcelError, UsageError
from kubeparcel.importing import importer
from kubeparcel.packages.index_stream import plain_blocks
from kubeparcel.paths import cache_dir
from kubeparcel.repository import publisher
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.policy import PolicyViolation
from tests.acceptance.doctor_peers import GpgSigner
from tests.acceptance.old_signature import sign_version_3
from tests.importing.conftest import Import, serve
from tests.support.client_view import read_apt_suite, read_yum_suite
from tests.support.flat_repository import write_flat
from tests.support.package_builders import deb, five, rpm

KUBELET = "kubelet_1.36.3-1_amd64.deb"


def refused(
    run: Import, location: object, error: type[KubeparcelError], repo: Path, *only: str, **options: object
) -> str:
    """Return the message of an import that fails and leaves no packages."""
    with pytest.raises(error) as caught:
        run(location, *only, **options)
    assert not (repo / "apt").exists()
    assert not (repo / "yum").exists()
    return f"{caught.value.message}\n{caught.value.hint}"


def test_wrong_or_missing_key(run, flat, repo, signers, tmp_path):
    assert "not a trusted key" in refused(run, flat, CheckFailed, repo, key=signers[1].public)
    assert "No such file" in refused(run, flat, ConfigurationError, repo, key=tmp_path / "nothing.asc")
    for name in ("InRelease", "Release.gpg"):
        (flat / name).unlink()
    assert "expected InRelease or Release.gpg, found neither" in refused(run, flat, CheckFailed, repo)


def test_signature_with_sha1_is_refused(run, flat, repo, theirs):
    theirs.sign_release(flat, "--digest-algo", "SHA1", "--allow-weak-digest-algos")
    assert "SHA" in refused(run, flat, CheckFailed, repo)


def test_signature_of_version_3_is_accepted_with_a_warning(run, flat, theirs, capsys):
    release = (flat / "Release").read_bytes()
    (flat / "Release.gpg").write_bytes(sign_version_3(theirs, release))
    (flat / "InRelease").unlink()
    assert len(run(flat, log=PlainLog()).new) == 5
    assert "found version 3" in capsys.readouterr().err


def test_release_gpg_alone_is_enough_as_for_apt(run, flat, repo):
    (flat / "InRelease").unlink()
    run(flat)
    assert len(read_apt_suite(repo, "stable")) == 5


def test_insecure_import_warns_and_records_that_nothing_was_verified(run, flat, repo, capsys):
    for name in ("InRelease", "Release.gpg"):
        (flat / name).unlink()
    result = run(flat, insecure=True, log=PlainLog())
    warning = " ".join(capsys.readouterr().err.split())
    assert "not verified (--insecure): whoever can change its files" in warning
    assert "without a verified signature" in result.as_text()
    assert (
        '"signer":"none"'
        in __import__("base64")
        .b64decode(__import__("json").loads(next(repo.rglob(f"{KUBELET}.intoto.jsonl")).read_text())["payload"])
        .decode()
    )


def test_insecure_import_still_requires_the_digests(run, flat, repo):
    (flat / KUBELET).write_bytes((flat / KUBELET).read_bytes()[:-1] + b"!")
    assert "found" in refused(run, flat, CheckFailed, repo, insecure=True)


@pytest.mark.parametrize(
    ("edit", "fields", "message"),
    [
        (("", ""), f"Valid-Until: {formatdate(1_700_000_000, usegmt=True)}\n", "expected a Valid-Until in the future"),
        (("Package: kubectl", "Package: kubelet2"), "", "kubelet2 1.36.3-1 amd64 (deb), found kubectl 1.36.3-1 amd64"),
        (("Depends: kubernetes-cni (>= 1.2.0), util-linux\n", ""), "", "dependencies as in the index"),
    ],
)
def test_index_that_clients_reject(run, flat, repo, theirs, edit, fields, message):
    write_flat(flat, theirs, edit=edit, fields=fields)
    assert message in refused(run, flat, CheckFailed, repo)


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
def test_rpm_outside_of_the_repository(run, both, repo, theirs, base, error, message):
    source = both / "yum/stable"
    move_kubectl(source, theirs, base)
    if error:
        assert message in refused(run, source, error, repo)
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


def test_unsigned_yum_index_is_enough_if_every_rpm_is_signed(run, both, repo, signers):
    root = both / "yum/stable"
    (root / "repodata/repomd.xml.asc").unlink()
    assert "not a trusted key" in refused(run, root, CheckFailed, repo, key=signers[1].public)
    assert "without a verified signature" in run(root).as_text()
    assert len(read_yum_suite(repo, "stable")) == 5


@pytest.mark.parametrize("index_signed", [True, False])
def test_unsigned_rpms_need_a_signed_index(run, both, repo, signers, tmp_path, index_signed):
    target = Target(str(tmp_path / "unsigned"), str(signers[0].secret), options={"sign_rpms": False})
    publisher.publish(five(tmp_path / "dist"), target, QuietLog(), skip_layout_check=True)
    root = tmp_path / "unsigned/yum/stable"
    if index_signed:
        run(root)
        assert len(read_yum_suite(repo, "stable")) == 5
    else:
        (root / "repodata/repomd.xml.asc").unlink()
        assert "a signature of the rpm or of repomd.xml, found neither" in refused(run, root, CheckFailed, repo)


def test_rpm_signed_by_another_key_than_the_index(run, both, repo, signers):
    root = both / "yum/stable"
    signers[1].sign_metadata(root)
    assert "not a trusted key" in refused(run, root, CheckFailed, repo, key=signers[1].public)


def test_source_that_changes_is_read_again(run, flat, repo, theirs, monkeypatch):
    """The kubelet of the next generation is there, its index is not yet."""
    deb(flat, "kubelet", "1.36.3-1", depends="kubernetes-cni (>= 1.2.0), util-linux", body=b"rebuilt")
    monkeypatch.setattr(importer.time, "sleep", lambda _: write_flat(flat, theirs))
    run(flat)
    assert read_apt_suite(repo, "stable")[KUBELET] == hashlib.sha256((flat / KUBELET).read_bytes()).hexdigest()


@pytest.mark.parametrize("change", ["package", "missing", "index", "signature"])
def test_source_that_stays_inconsistent_is_reported(run, flat, repo, change):
    if change == "missing":
        (flat / KUBELET).unlink()
    else:
        path = flat / {"package": KUBELET, "index": "Packages.gz", "signature": "InRelease"}[change]
        data = bytearray(path.read_bytes())
        data[len(data) // 2 if change != "signature" else 100] ^= 1
        path.write_bytes(data)
    assert "being published, or damaged; it was read 3 times" in refused(run, flat, CheckFailed, repo)


def test_two_files_of_one_package_in_the_source(run, flat, repo, theirs):
    (flat / "more").mkdir()
    deb(flat / "more", "kubectl", "1.36.3-1", body=b"other")
    write_flat(flat, theirs)
    message = refused(run, flat, PolicyViolation, repo)
    assert message.startswith("The repository has two different files of kubectl 1.36.3-1 amd64 (deb).")
    assert "more/kubectl_1.36.3-1_amd64.deb (sha256 " in message
    assert "Its publisher has to remove one." in message, "both are in one suite"
    run(flat, "kubelet")
    assert len(read_apt_suite(repo, "stable")) == 3


@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_package_that_is_published_with_other_bytes(run, both, repo, signers, tmp_path, format_):
    (tmp_path / "ours").mkdir()
    {"deb": deb, "rpm": rpm}[format_](tmp_path / "ours", "kubectl", "1.36.3-1", body=b"ours")
    target = Target(str(repo), str(signers[2].secret))
    publisher.publish(tmp_path / "ours", target, QuietLog(), skip_layout_check=True)
    with serve(both) as site, pytest.raises(PolicyViolation, match=r"kubectl 1\.36\.3-1 .* different content"):
        run(site.url)
    assert not list(cache_dir().glob("sha256/*/*")), "nothing was fetched"
    assert run(both, "kubelet").exit_code == 0


def test_package_without_its_companions(run, theirs, repo, tmp_path):
    (tmp_path / "source").mkdir()
    deb(tmp_path / "source", "kubelet", "1.36.3-1", depends="kubernetes-cni (>= 1.2.0)")
    write_flat(tmp_path / "source", theirs)
    message = refused(run, tmp_path / "source", PolicyViolation, repo, "kubelet")
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
def test_pattern_that_matches_nothing_names_the_nearest(run, flat, repo, only, message):
    assert message in refused(run, flat, UsageError, repo, only)


def test_architecture_that_the_source_lacks(run, flat, both, repo):
    for source in (flat, both):
        message = refused(run, source, UsageError, repo, arches=("amd64", "s390x"))
        assert f"{source} has no packages for s390x.\nIt has amd64." in message


def test_suite_that_the_source_lacks(run, both, repo):
    assert "No repository at" in refused(run, both, UsageError, repo, suites=("v9",))


def test_index_above_the_limit(run, flat, repo, monkeypatch):
    monkeypatch.setattr(apt, "MAX_LISTED", 100)
    message = refused(run, flat, CheckFailed, repo)
    assert "too large to be read" in message
    assert "read 3 times" not in message


def test_index_in_an_unsupported_compression_only(run, flat, repo, theirs):
    write_flat(flat, theirs, files={"Packages.lz4": b"\x04\x22M\x18"})
    assert "no form that can be read (plain, xz, gz" in refused(run, flat, CheckFailed, repo)


def test_unreachable_source(run, repo):
    assert "127.0.0.1:9" in refused(run, "http://127.0.0.1:9/", ExternalError, repo)


def test_bucket_that_may_only_be_read_fails_before_anything_is_fetched(run, both, proxy, bucket):
    proxy.read_only = True
    with serve(both) as site, pytest.raises(ExternalError, match="access denied"):
        run(site.url, to=bucket)
    assert not list(cache_dir().glob("sha256/*/*"))
    proxy.read_only = False
    assert len(run(both, to=bucket).new) == 10
