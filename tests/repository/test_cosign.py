"""cosign, an independent program, verifies statements with the published key."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.go_programs import go_program
from tests.support.repository_fixtures import Publish
from tests.support.statements import write_statements

pytestmark = pytest.mark.oracles


@pytest.fixture(scope="module")
def cosign() -> Path:
    return go_program("github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3")


@pytest.fixture
def attested(publish: Publish, dist: Path, repo: Path) -> Path:
    """A repository whose packages have statements."""
    write_statements(dist)
    publish()
    return repo


def verify(cosign: Path, repo: Path, statement: Path, file: Path) -> subprocess.CompletedProcess[str]:
    argv = [cosign, "verify-blob-attestation", "--key", repo / "key.pem", "--insecure-ignore-tlog"]
    argv += ["--type", "slsaprovenance1", "--signature", statement, file]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_cosign_verifies_statements_about_packages_and_the_repository(cosign, attested):
    packages = [*attested.glob("apt/pool/main/k/kubelet/*.deb"), *attested.glob("yum/stable/packages/kubelet*.rpm")]
    assert len(packages) == 2
    for package in packages:
        result = verify(cosign, attested, package.with_name(f"{package.name}.intoto.jsonl"), package)
        assert result.returncode == 0, result.stderr
    current = attested / "attestations/repository.intoto.jsonl"
    for file in (attested / "apt/dists/stable/InRelease", attested / "yum/stable/repodata/repomd.xml"):
        result = verify(cosign, attested, current, file)
        assert result.returncode == 0, result.stderr


def test_cosign_refuses_another_file_and_a_changed_statement(cosign, attested):
    kubelet, kubeadm = (next(attested.glob(f"apt/pool/main/k/{name}/*.deb")) for name in ("kubelet", "kubeadm"))
    statement = kubelet.with_name(f"{kubelet.name}.intoto.jsonl")
    assert verify(cosign, attested, statement, kubeadm).returncode != 0
    document = json.loads(statement.read_bytes())
    document["payload"] = json.loads(kubeadm.with_name(f"{kubeadm.name}.intoto.jsonl").read_bytes())["payload"]
    statement.write_text(json.dumps(document))
    assert verify(cosign, attested, statement, kubeadm).returncode != 0
