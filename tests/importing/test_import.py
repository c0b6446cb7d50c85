"""Packages of other repositories are imported as their publisher made them, with our signatures and a record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kubeparcel.attest.verify import AttestRequest
from kubeparcel.attest.verify import verify as attest
from kubeparcel.console import QuietLog
from kubeparcel.doctor.examination import ExaminationRequest, examine
from kubeparcel.doctor.locations import open_location
from kubeparcel.errors import KubeparcelError
from kubeparcel.files import sha256_of
from kubeparcel.packages.rpm import header
from kubeparcel.repository.policy import PolicyViolation
from kubeparcel.repository.signing import gpg, openpgp, rpm_signature
from kubeparcel.repository.signing.keyring import list_keys
from kubeparcel.trust.dsse import parse_envelope
from kubeparcel.trust.package_statement import parse_package_statement, unverified_materials
from kubeparcel.trust.statement import Statement
from tests.importing.conftest import fetched, serve
from tests.importing.flat_repository import write_flat
from tests.support.client_view import read_apt_suite, read_yum_suite
from tests.support.package_builders import deb, five
from tests.support.repository_fixtures import publish_folder
from tests.support.upstream_site import redirect, serve_site


def statement_about(path: Path) -> Statement:
    name = f"{path.name}.intoto.jsonl"
    return parse_package_statement(parse_envelope(path.with_name(name).read_bytes(), name).payload, name)


def test_imported_repository_is_sound_and_has_the_same_packages(run, both, repo):
    with serve(both) as site:
        result = run(site.url)
    assert result.exit_code == 0
    assert (len(result.new), len(result.selected.packages)) == (10, 10)
    for suite in ("stable", "v1.36"):
        assert read_apt_suite(repo, suite) == read_apt_suite(both, "stable"), "the bytes of debs do not change"
        assert read_yum_suite(repo, suite).keys() == read_yum_suite(both, "stable").keys()
    report = examine(ExaminationRequest(str(repo), str(repo / "key.asc")), QuietLog())
    assert report.failed_checks == {}, report.as_text()


def test_rpms_have_our_signature_instead_of_theirs(run, both, repo):
    run(both)
    file = next((repo / "yum/stable/packages").glob("kubelet-*.rpm"))
    theirs = both / file.relative_to(repo)
    certificates = openpgp.dearmor((repo / "key.asc").read_bytes())
    headers = [header.read_headers(path.read_bytes(), path.stat().st_size) for path in (file, theirs)]
    main = [path.read_bytes()[h.main.start :] for path, h in zip((file, theirs), headers, strict=True)]
    assert rpm_signature.verified_signers(file.read_bytes(), headers[0], certificates)
    assert not rpm_signature.verified_signers(theirs.read_bytes(), headers[1], certificates)
    assert main[0] == main[1], "header and payload are those of the publisher"


@pytest.mark.parametrize("suffix", ["deb", "rpm"])
def test_statement_records_repository_index_key_and_time(run, both, repo, theirs, suffix):
    run(both)
    file = next(repo.rglob(f"kubelet*.{suffix}"))
    index = both / ("apt/dists/stable/InRelease" if suffix == "deb" else "yum/stable/repodata/repomd.xml")
    statement = statement_about(file)
    original = next(both.rglob(file.name))
    assert statement.digests == {file.name: sha256_of(file)}
    assert statement.build_type.endswith("provenance.md#imports-v1")
    assert statement.external == {"repository": both.as_uri(), "suite": f"{'apt' if suffix == 'deb' else 'yum'} stable"}
    assert statement.internal["time"] > 1_700_000_000
    assert [(m.uri, m.digest["sha256"]) for m in statement.materials] == [
        (original.as_uri(), sha256_of(original)),
        (index.as_uri(), sha256_of(index)),
    ]
    fingerprint = list_keys(gpg.GpgHome(theirs.home))[0].fingerprint
    assert all(fingerprint in material.annotations["signer"] for material in statement.materials)
    assert unverified_materials(statement) == []


def test_official_layout_redirects_to_another_host(run, both, flat, repo):
    """Flat debs in deb/, rpms in rpm/, on a server that lists no folders and redirects to a CDN."""
    root = flat.parent / "core:/stable:/v1.36"
    shutil.copytree(flat, root / "deb")
    shutil.copytree(both / "yum/stable", root / "rpm")
    with serve(root) as cdn, serve_site() as site:
        for path in cdn.files:
            site.files[path] = b"elsewhere"
            site.faults[path] = [redirect(f"{cdn.url}{path}")] * 9
        with pytest.raises(KubeparcelError, match="redirects to another host"):
            run(site.url)
        assert len(run(site.url, follow=(cdn.url.partition("://")[2],)).new) == 10
    assert (len(read_apt_suite(repo, "v1.36")), len(read_yum_suite(repo, "v1.36"))) == (5, 5)


def test_repository_in_a_bucket_is_imported(run, both, repo, bucket):
    run(both, to=bucket)
    ours = both.parent / "ours.asc"
    ours.write_bytes(open_location(bucket).read("key.asc", 100_000) or b"")
    assert len(run(bucket, key=ours).new) == 10
    assert len(read_apt_suite(repo, "stable")) == 5


def test_companions_are_imported_with_the_packages_that_need_them(run, theirs, tmp_path):
    for version in ("1.35.1", "1.36.3"):
        five(tmp_path / "source", version)
    deb(tmp_path / "source", "kubernetes-cni", "1.1.0-1")
    deb(tmp_path / "source", "agent", depends="agent-common (>= 2), libc6")
    deb(tmp_path / "source", "agent-common", "1.0-1")
    deb(tmp_path / "source", "agent-common", "2.0-1")
    root = write_flat(tmp_path / "source", theirs)
    result = run(root, "kubelet=1.35.*", "agent")
    assert [package.label for package in sorted(result.selected.requested)] == [
        "agent 1.0-1 amd64 (deb)",
        "kubelet 1.35.1-1 amd64 (deb)",
    ]
    assert [package.label for package in sorted(result.selected.companions)] == [
        "agent-common 2.0-1 amd64 (deb)",
        "cri-tools 1.35.0-1 amd64 (deb)",
        "kubernetes-cni 1.9.1-1 amd64 (deb)",
    ]
    assert result.selected.missing == ()
    assert "agent-common 2.0-1" in result.as_text()


def test_dry_run_and_json_list_what_would_be_imported(run, flat, repo):
    with serve(flat) as site:
        result = run(site.url, "kubelet", dry_run=True)
        assert fetched(site) == []
    document = json.loads(result.as_json())
    assert document["dry-run"]
    assert [package["name"] for package in document["suites"]["v1.36"]["added"]] == [
        "cri-tools",
        "kubelet",
        "kubernetes-cni",
    ]
    assert (document["source"]["selected"], document["source"]["fetched"]) == (3, 0)
    assert document["source"]["indexes"][0]["path"] == "InRelease"
    assert not repo.exists()


def test_attest_verifies_imported_packages_but_cannot_build_them_again(run, flat, repo, theirs):
    run(flat)
    report = attest(AttestRequest([str(repo)]), QuietLog())
    assert report.passed
    assert {check.not_run for check in report.checks if check.name == "materials"} == {
        f"it was imported from {flat.as_uri()}"
    }
    rebuilt = attest(AttestRequest([str(repo)], rebuild=True), QuietLog())
    found = {finding.found for check in rebuilt.checks if check.name == "rebuild" for finding in check.findings}
    assert f"kubectl_1.36.3-1_amd64.deb was imported from {flat.as_uri()}." in found


def test_repository_that_requires_verified_signatures_rejects_insecure_imports(run, both, repo, signers, flat):
    run(both)
    publish_folder(both, repo, key=str(signers.ours.secret), options={"required": "provenance,signatures"})
    deb(flat, "kubectl", "1.36.4-1")
    write_flat(flat, signers.theirs)
    with pytest.raises(PolicyViolation, match="requires provenance and signatures") as error:
        run(flat, "kubectl", insecure=True)
    assert "unverified signature of kubectl_1.36.4-1_amd64.deb" in error.value.hint
    assert len(run(flat, "kubectl").new) == 1
