"""Statements and SBOMs are published next to the packages, and removed with them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.files import sha256_of
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.reader import read_package
from kubeparcel.repository import publisher, state_file
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.policy import PolicyViolation
from kubeparcel.repository.signing import raw_signature
from kubeparcel.repository.signing.signer import open_signer
from kubeparcel.repository.storage.folder import FolderStorage
from kubeparcel.trust.document import serialize
from kubeparcel.trust.dsse import parse_envelope
from kubeparcel.trust.package_statement import built_digest
from kubeparcel.trust.public_keys import parse_pem, signers
from kubeparcel.trust.sbom_files import FORMATS, read_sbom
from kubeparcel.trust.statement import parse_statement
from kubeparcel.trust.subject import Subject
from tests.support.kill_at_change import killed_publishes
from tests.support.package_builders import five
from tests.support.repository_fixtures import publish_folder
from tests.support.statements import packages_in, write_side_files

SUFFIXES = (".intoto.jsonl", ".cdx.json", ".spdx.json")
IDENTIFIERS = {".cdx": "serialNumber", ".spdx": "documentNamespace"}


@pytest.fixture
def described(dist: Path) -> Path:
    """Packages with statements and SBOMs."""
    return write_side_files(dist)


def side_files(repo: Path) -> set[Path]:
    return {path for path in repo.rglob("*") if path.name.endswith(SUFFIXES) and path.parent != repo / "attestations"}


def check(repo: Path) -> None:
    """Check that every package has its side files, that nothing else has any, and all that is signed about them."""
    packages = packages_in(repo)
    assert side_files(repo) == {path.with_name(f"{path.name}{suffix}") for path in packages for suffix in SUFFIXES}
    key = parse_pem((repo / "key.pem").read_bytes(), "key.pem")
    for package in packages:
        envelope = parse_envelope(package.with_name(f"{package.name}.intoto.jsonl").read_bytes(), package.name)
        assert signers(envelope, (key,))
        statement = parse_statement(envelope.payload, package.name)
        assert statement.digests == {package.name: sha256_of(package)}
        for suffix in SUFFIXES[1:]:
            assert read_sbom(package.with_name(f"{package.name}{suffix}")).sha256 == sha256_of(package)
    check_generation(repo)


def check_generation(repo: Path) -> None:
    key = parse_pem((repo / "key.pem").read_bytes(), "key.pem")
    current = (repo / "attestations/repository.intoto.jsonl").read_bytes()
    state = json.loads((repo / ".kubeparcel/state.json").read_bytes())
    assert current == (repo / f"attestations/generation-{state['generation']}.intoto.jsonl").read_bytes()
    envelope = parse_envelope(current, "repository")
    assert signers(envelope, (key,))
    statement = parse_statement(envelope.payload, "repository")
    indexes = {str(p.relative_to(repo)) for p in repo.rglob("*") if p.name in ("Release", "InRelease", "repomd.xml")}
    assert indexes <= statement.digests.keys()
    published = {str(path.relative_to(repo)) for path in side_files(repo)}
    expected = {f"{name}{suffix}" for name in statement.digests for suffix in SUFFIXES} & published
    assert {resource.name for resource in statement.byproducts} == expected
    for resource in (*statement.subjects, *statement.byproducts):
        assert sha256_of(repo / resource.name) == resource.digest["sha256"], resource.name


def test_statements_are_signed_and_published_beside_each_package(publish, described, repo):
    publish()
    check(repo)
    assert "kubelet_1.36.3-1_amd64.deb.intoto.jsonl" in (repo / "apt/pool/main/k/kubelet/index.html").read_text()
    assert 'href="attestations/' in (repo / "index.html").read_text()


def test_a_statement_about_a_signed_rpm_names_the_file_that_was_built(publish, described, repo):
    publish()
    (path,) = repo.glob("yum/stable/packages/kubelet-*.rpm.intoto.jsonl")
    statement = parse_statement(parse_envelope(path.read_bytes(), path.name).payload, path.name)
    assert built_digest(statement) == sha256_of(described / path.name.removesuffix(".intoto.jsonl"))
    assert built_digest(statement) not in statement.digests.values()


def test_the_sbom_of_a_signed_rpm_is_the_one_that_a_build_would_write_of_it(publish, dist, repo):
    built = {path.name: path for path in write_built_sboms(dist, dist / "sbom")}
    publish()
    published = sorted(path for path in repo.glob("yum/stable/packages/*") if path.name.endswith(SUFFIXES))
    expected = write_built_sboms(repo / "yum/stable/packages", dist / "expected")
    assert [path.read_bytes() for path in published] == [path.read_bytes() for path in expected]
    for path in published:
        identifiers = [
            json.loads(file.read_bytes())[IDENTIFIERS[path.suffixes[-2]]] for file in (path, built[path.name])
        ]
        assert identifiers[0] != identifiers[1]


def write_built_sboms(packages: Path, folder: Path) -> list[Path]:
    """Write the SBOMs of packages as a build does; return those of RPMs, sorted."""
    folder.mkdir()
    for package in packages_in(packages):
        cache = InspectionCache(sha1=True)
        subject = Subject(read_package(package, cache), sha256_of(package), package.name, "Acme", "Apache-2.0")
        for suffix, format_ in FORMATS.items():
            (folder / f"{package.name}{suffix}").write_bytes(serialize(format_.package_document(subject)))
    return sorted(folder.glob("*.rpm.*"))


def test_the_digest_in_an_sbom_may_have_capital_letters(publish, described, repo):
    for path in (described / "sbom").glob("*.rpm.*"):
        sha256 = sha256_of(described / path.name.removesuffix("".join(path.suffixes[-2:])))
        path.write_text(path.read_text().replace(sha256, sha256.upper()))
    publish()
    check(repo)


def test_a_folder_without_statements_is_published_as_before(publish, repo):
    publish()
    assert not side_files(repo)
    check_generation(repo)


def test_statements_follow_packages_through_every_change(publish, described, newer, repo, tmp_path):
    target = Target(str(repo))
    publish(options={"generations": 1})
    write_side_files(newer)
    publish(newer)
    check(repo)
    publisher.copy("stable", "testing", target, QuietLog())
    check(repo)
    publisher.remove(["=1.36.3-1"], target, QuietLog())
    check(repo)
    publisher.rollback(target, QuietLog())
    check(repo)
    publisher.remove(["=1.36.3-1", "=1.36.4-1", "cri-tools", "kubernetes-cni"], target, QuietLog(), suite="testing")
    for version in ("1.36.5", "1.36.6"):
        publish(write_side_files(five(tmp_path / version, version)))
    publisher.retain(1, target, QuietLog())
    publish(five(tmp_path / "last", "1.36.7"), suite="other")
    assert not [path for path in side_files(repo) if "1.36.3" in path.name]
    check_generation(repo)


def test_statements_of_published_packages_can_follow_later(publish, dist, repo):
    publish()
    before = {path: sha256_of(path) for path in packages_in(repo)}
    write_side_files(dist)
    assert "files about packages were added" in publish().as_text()
    assert {path: sha256_of(path) for path in packages_in(repo)} == before
    check(repo)
    assert "Nothing to do" in publish().as_text()


def test_a_statement_about_another_file_is_left_out(publish, described, repo):
    name, folder = "kubelet_1.36.3-1_amd64.deb.intoto.json", described / "attestations"
    shutil.copyfile(folder / "kubeadm_1.36.3-1_amd64.deb.intoto.json", folder / name)
    publish()
    assert not list(repo.rglob(f"{name}l"))
    assert len(list(repo.glob("apt/pool/main/*/*/*.intoto.jsonl"))) == 4
    with pytest.raises(PolicyViolation, match="requires provenance of every package") as error:
        publish(options={"required": "provenance"})
    assert "kubelet 1.36.3-1 amd64 (deb): no statement of provenance" in error.value.hint
    assert "is about another file" in error.value.hint


@pytest.mark.parametrize("suffix", [".cdx.json", ".spdx.json"])
def test_an_sbom_of_another_package_is_left_out(publish, described, repo, suffix):
    folder = described / "sbom"
    shutil.copyfile(folder / f"kubeadm_1.36.3-1_amd64.deb{suffix}", folder / f"kubelet_1.36.3-1_amd64.deb{suffix}")
    (folder / f"kubectl_1.36.3-1_amd64.deb{suffix}").write_text("[" * 60_000)
    publish()
    published = {path.name.partition("_")[0] for path in repo.glob(f"apt/pool/main/*/*/*{suffix}")}
    assert published == {"kubeadm", "cri-tools", "kubernetes-cni"}


def test_killed_publish_leaves_no_side_files_behind(publish, described, newer, repo):
    publish()
    write_side_files(newer)
    for copy, _ in killed_publishes(newer, repo, samples=4):
        publish_folder(newer, copy)
        check(copy)


def test_lost_state_is_recovered_with_the_side_files(publish, described, repo):
    publish()
    shutil.rmtree(repo / ".kubeparcel")
    publisher.remove(["kubectl=1.36.3-1"], Target(str(repo)), QuietLog())
    check(repo)


def test_publish_works_with_a_key_that_cannot_sign_statements(publish, described, repo, monkeypatch):
    def refuse(*_: object) -> None:
        raise raw_signature.UnsupportedKey("Key X cannot sign attestations.")

    monkeypatch.setattr(raw_signature, "public_key", refuse)
    publish()
    assert not list(repo.rglob("*.jsonl"))
    assert len(side_files(repo)) == 10 + 20
    with pytest.raises(PolicyViolation, match="requires provenance") as error:
        publish(options={"required": "provenance"})
    assert "cannot sign attestations" in error.value.hint


def test_the_pem_key_is_the_repositorys_own(publish, described, repo):
    publish()
    with open_signer("", QuietLog()) as signer:
        (fingerprint,) = signer.fingerprints
    assert (repo / "key.pem").read_bytes() == (repo / f"attestations/{fingerprint}.pem").read_bytes()
    assert (repo / "key.pem.asc").read_bytes().startswith(b"-----BEGIN PGP SIGNATURE")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("beside", {"ab" * 32: {"/../../other": "ab" * 32}}),
        ("beside", {"ab" * 32: {".cdx.json": 7}}),
        ("beside", [1]),
        ("indexes", {"../outside": "ab" * 32}),
        ("indexes", {"apt/dists/stable/Release": 7}),
    ],
)
def test_a_state_with_other_side_files_is_damaged(publish, repo, key, value):
    publish()
    path = repo / state_file.STATE_PATH
    path.write_text(json.dumps({**json.loads(path.read_bytes()), key: value}))
    with pytest.raises(state_file.StateFileError):
        state_file.load(FolderStorage(repo))
