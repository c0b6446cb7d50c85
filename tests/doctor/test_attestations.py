"""The doctor checks what a repository promises: its statement, and the side files of packages."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel.doctor.reader import FolderReader
from kubeparcel.trust.dsse import parse_envelope
from tests.conftest import isolate_environment
from tests.support.package_builders import deb, five
from tests.support.recorded_calls import record_calls
from tests.support.repository_fixtures import publish_folder
from tests.support.statements import write_side_files

CURRENT = "attestations/repository.intoto.jsonl"


@pytest.fixture(scope="module")
def attested(session_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with statements and SBOMs, which requires them."""
    base = tmp_path_factory.mktemp("attested")
    with pytest.MonkeyPatch.context() as patch:
        isolate_environment(patch, base / "cache")
        patch.setenv("KUBEPARCEL_CONFIG", str(session_key))
        dist = write_side_files(five(base / "dist"))
        publish_folder(dist, base / "repo", options={"required": "sbom,provenance", "generations": 1})
        yield base / "repo"


@pytest.fixture
def repo(attested: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(attested, tmp_path / "repo"))


def kubelet(repo: Path, suffix: str) -> Path:
    (path,) = repo.glob(f"apt/pool/main/k/kubelet/*.deb{suffix}")
    return path


def test_a_sound_repository_passes(doctor, attested):
    report = doctor(attested)
    assert not report.failed_checks
    (subject,) = (subject for subject in report.subjects if subject.name == "attestations")
    names = {check.name for check in subject.checks}
    assert names == {"statement", "statement-signature", "subjects", "side-files", "provenance"}
    assert not doctor(attested, quick=True, suites=["stable"]).failed_checks


def test_a_lost_statement_is_a_broken_promise(doctor, repo):
    (repo / CURRENT).unlink()
    assert doctor(repo, quick=True).failed_checks == {"attestations": {"statement"}}


def test_the_statement_of_an_earlier_generation_is_noticed(doctor, key, repo, newer):
    before = (repo / CURRENT).read_bytes()
    publish_folder(newer, repo, options={"required": ""})
    assert not doctor(repo, quick=True).failed_checks
    (repo / CURRENT).write_bytes(before)
    assert doctor(repo, quick=True).failed_checks == {"attestations": {"subjects"}}


@pytest.mark.parametrize("suffix", [".intoto.jsonl", ".cdx.json", ".spdx.json"])
def test_a_lost_or_changed_side_file_is_noticed(doctor, repo, suffix):
    path = kubelet(repo, suffix)
    data = path.read_bytes()
    path.write_bytes(data + b" ")
    assert doctor(repo, quick=True).failed_checks == {"attestations": {"side-files"}}
    path.unlink()
    assert doctor(repo, quick=True).failed_checks == {"attestations": {"side-files"}}


def test_an_unsigned_statement_about_the_repository_is_refused(doctor, repo):
    document = json.loads((repo / CURRENT).read_bytes())
    document["signatures"][0]["sig"] = "AAAA" + document["signatures"][0]["sig"][4:]
    (repo / CURRENT).write_text(json.dumps(document))
    assert doctor(repo, quick=True).failed_checks == {"attestations": {"statement-signature"}}


def test_a_package_with_other_bytes_than_in_its_statement_is_noticed(doctor, repo):
    deb(kubelet(repo, "").parent, "kubelet", "1.36.3-1", body=b"other\n")
    assert "files" in doctor(repo).failed_checks["apt stable"]


def test_repositories_without_statements_are_not_asked_for_any(doctor, repo):
    shutil.rmtree(repo / "attestations")
    shutil.rmtree(repo / ".kubeparcel")
    report = doctor(repo, quick=True)
    assert not report.failed_checks
    assert "attestations" not in {subject.name for subject in report.subjects}


def test_side_files_are_not_kept_in_memory(doctor, repo, monkeypatch):
    calls = record_calls(monkeypatch, FolderReader, "read")
    assert not doctor(repo, quick=True).failed_checks
    paths = [path for (_, path, *_), _ in calls]
    assert paths
    assert not [path for path in paths if path.endswith((".cdx.json", ".spdx.json"))]


@pytest.mark.parametrize("required", [None, 7, "sbom", {"sbom": True}])
def test_a_promise_of_any_type_is_a_finding(doctor, repo, monkeypatch, required):
    monkeypatch.setattr("kubeparcel.doctor.attestations.signers", lambda _, keys: keys)
    envelope = parse_envelope((repo / CURRENT).read_bytes(), CURRENT)
    document = json.loads(envelope.payload)
    document["predicate"]["buildDefinition"]["externalParameters"]["required"] = required
    (repo / CURRENT).write_bytes(dataclasses.replace(envelope, payload=json.dumps(document).encode()).dump())
    assert doctor(repo, quick=True).failed_checks == {"attestations": {"statement"}}
