"""Indexes and rpms are imported if the given key has signed them, or the user does without that."""

import pytest

from kubeparcel.console import PlainLog
from kubeparcel.errors import CheckFailed, ConfigurationError
from kubeparcel.trust.dsse import parse_envelope
from tests.acceptance.old_signature import sign_version_3
from tests.support.client_view import read_apt_suite, read_yum_suite
from tests.support.package_builders import five
from tests.support.repository_fixtures import publish_folder

KUBELET = "kubelet_1.36.3-1_amd64.deb"


def test_wrong_or_missing_key_is_refused(refused, flat, signers, tmp_path):
    assert "not a trusted key" in refused(flat, CheckFailed, key=signers.other.public)
    assert "No such file" in refused(flat, ConfigurationError, key=tmp_path / "nothing.asc")
    for name in ("InRelease", "Release.gpg"):
        (flat / name).unlink()
    assert "expected InRelease or Release.gpg, found neither" in refused(flat, CheckFailed)


def test_signature_with_sha1_is_refused(refused, flat, theirs):
    theirs.sign_release(flat, "--digest-algo", "SHA1", "--allow-weak-digest-algos")
    assert "SHA" in refused(flat, CheckFailed)


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
    statement = next(repo.rglob(f"{KUBELET}.intoto.jsonl"))
    assert b'"signer":"none"' in parse_envelope(statement.read_bytes(), statement.name).payload


def test_insecure_import_still_requires_the_digests(refused, flat):
    (flat / KUBELET).write_bytes((flat / KUBELET).read_bytes()[:-1] + b"!")
    assert "found" in refused(flat, CheckFailed, insecure=True)


def test_unsigned_yum_index_is_enough_if_every_rpm_is_signed(run, refused, both, repo, signers):
    root = both / "yum/stable"
    (root / "repodata/repomd.xml.asc").unlink()
    assert "not a trusted key" in refused(root, CheckFailed, key=signers.other.public)
    assert "without a verified signature" in run(root).as_text()
    assert len(read_yum_suite(repo, "stable")) == 5


@pytest.mark.parametrize("index_signed", [True, False])
def test_unsigned_rpms_need_a_signed_index(run, refused, repo, signers, tmp_path, index_signed):
    unsigned = tmp_path / "unsigned"
    publish_folder(five(tmp_path / "dist"), unsigned, key=str(signers.theirs.secret), options={"sign_rpms": False})
    root = unsigned / "yum/stable"
    if index_signed:
        run(root)
        assert len(read_yum_suite(repo, "stable")) == 5
    else:
        (root / "repodata/repomd.xml.asc").unlink()
        assert "a signature of the rpm or of repomd.xml, found neither" in refused(root, CheckFailed)


def test_rpm_signed_by_another_key_than_the_index_is_refused(refused, both, signers):
    root = both / "yum/stable"
    signers.other.sign_metadata(root)
    assert "not a trusted key" in refused(root, CheckFailed, key=signers.other.public)
