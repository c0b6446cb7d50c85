"""What a repository promises about its packages is checked at each change, and remembered."""

import re

import pytest

from kubeparcel.cli.options import REQUIREMENTS as CHOICES
from kubeparcel.console import QuietLog
from kubeparcel.repository import publisher, state_file
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.policy import PolicyViolation
from kubeparcel.repository.requirements import REQUIREMENTS
from kubeparcel.repository.storage.folder import FolderStorage
from kubeparcel.trust.package_statement import CHECKSUM, NOT_SIGNED, SIGNER
from kubeparcel.trust.statement import Resource
from tests.support.statements import packages_in, statement_about, write_sboms, write_side_files, write_statements


def test_the_command_line_offers_every_requirement():
    assert set(CHOICES) == REQUIREMENTS.keys()


def test_packages_without_what_is_required_are_refused_and_nothing_changes(publish, dist, repo):
    write_statements(dist, packages_in(dist)[:-1])
    last = packages_in(dist)[-1]
    with pytest.raises(PolicyViolation, match="requires provenance of every package; nothing was changed") as error:
        publish(options={"required": "provenance"})
    assert last.name.startswith("kubernetes-cni_")
    assert error.value.hint.startswith("kubernetes-cni 1.9.1-1 amd64 (deb): no statement of provenance\ninv build")
    assert not (repo / ".kubeparcel/state.json").exists()
    write_statements(dist)
    publish(options={"required": "provenance"})


def test_a_dry_run_refuses_what_a_publish_would(publish, dist):
    with pytest.raises(PolicyViolation, match="requires sbom and provenance"):
        publish(dry_run=True, options={"required": "sbom,provenance"})
    write_side_files(dist)
    publish(dry_run=True, options={"required": "sbom,provenance"})


def test_the_repository_remembers_the_promise_until_it_is_taken_back(publish, dist, newer, repo):
    write_sboms(dist)
    publish(options={"required": "sbom"})
    with pytest.raises(PolicyViolation, match="requires sbom") as error:
        publish(newer)
    assert "kubelet 1.36.4-1 amd64 (deb): no SBOM (.cdx.json, .spdx.json)" in error.value.hint
    assert "1.36.3" not in error.value.hint
    publisher.remove(["kubectl=1.36.3-1"], Target(str(repo)), QuietLog())
    publish(newer, options={"required": ""})
    state = state_file.load(FolderStorage(repo))
    assert state
    assert state.options.required == ""


def test_a_new_promise_covers_what_is_already_published(publish, dist, newer):
    publish()
    write_statements(newer)
    with pytest.raises(PolicyViolation) as error:
        publish(newer, options={"required": "provenance"})
    assert "kubelet 1.36.3-1 amd64 (deb): no statement" in error.value.hint
    write_statements(dist)
    publish()
    publish(newer, options={"required": "provenance"})


@pytest.mark.parametrize("published_before", [False, True])
def test_signatures_of_binaries_are_read_from_statements(publish, dist, published_before):
    materials = {
        "kubelet": Resource("kubelet", "https://dl.k8s.io/kubelet", {"sha256": "ab" * 32}, {SIGNER: "none"}),
        "kubeadm": Resource(
            "kubeadm", "https://dl.k8s.io/kubeadm", {"sha256": "ab" * 32}, {SIGNER: "a@example.invalid"}
        ),
        "kubectl": Resource("kubectl", "pkg:golang/k8s.io/kubernetes@v1", {"dirHash": "ab" * 32}, {CHECKSUM: "none"}),
        "kubernetes-cni": Resource("cni", "pkg:golang/cni@v1", {"dirHash": "ab" * 32}, {CHECKSUM: "sum.golang.org"}),
        "cri-tools": Resource("crictl", "https://github.com/crictl", {"sha256": "ab" * 32}, {SIGNER: NOT_SIGNED}),
    }
    folder = dist / "attestations"
    folder.mkdir()
    for package in packages_in(dist):
        (material,) = (materials[name] for name in materials if re.match(rf"{name}[_-]\d", package.name))
        (folder / f"{package.name}.intoto.json").write_bytes(statement_about(package, material).dump())
    if published_before:
        publish()
    with pytest.raises(PolicyViolation, match="requires signatures") as error:
        publish(options={"required": "signatures"})
    unverified = {line.partition(" ")[0] for line in error.value.hint.splitlines() if ": unverified " in line}
    assert unverified == {"kubectl", "kubelet"}


def test_a_published_statement_that_was_replaced_proves_nothing(publish, dist, repo):
    write_statements(dist)
    publish()
    statements = sorted(repo.rglob("*.deb.intoto.jsonl"))
    statements[0].write_bytes(statements[1].read_bytes())
    with pytest.raises(PolicyViolation, match="requires signatures") as error:
        publish(options={"required": "signatures"})
    assert error.value.hint.count("no statement that says how its binaries were verified") == 1


def test_a_rollback_keeps_the_promise_by_the_statements_of_retired_packages(publish, dist, repo):
    write_statements(dist)
    publish(options={"required": "signatures"})
    publisher.remove(["kubectl"], Target(str(repo)), QuietLog())
    result = publisher.rollback(Target(str(repo)), QuietLog())
    assert "kubectl" in {package.name for package in result.state.packages}
