"""`publish --require audit`: packages with known vulnerabilities are refused."""

import pytest

from kubeparcel.repository.policy import PolicyViolation
from kubeparcel.trust.audit.database import DatabaseError
from tests.trust.audit.conftest import CALLED, finding


def test_packages_with_known_vulnerabilities_are_refused(publish, repo, packages, database, scanner, workdir):
    (workdir / "kubeparcel.yaml").write_text(f"vulnerability-database: {database}\n")
    scanner(finding(1, **CALLED))
    with pytest.raises(PolicyViolation, match="requires audit of every package; nothing was changed") as error:
        publish(packages, suite="test", options={"required": "audit"})
    assert error.value.hint.splitlines()[0] == (
        "kubelet 1.0-1 amd64 (deb): known vulnerabilities: GO-2026-0001 (golang.org/x/net v0.49.0 → v0.51.0)"
    )
    assert "inv audit" in error.value.hint
    assert not (repo / ".kubeparcel/state.json").exists()
    scanner()
    publish(packages, suite="test", options={"required": "audit"})


def test_what_is_published_is_audited_when_the_promise_is_made(publish, packages, dist, database, scanner, workdir):
    publish(packages, suite="test")
    (workdir / "kubeparcel.yaml").write_text(f"vulnerability-database: {database}\n")
    scanner(finding(1, **CALLED))
    with pytest.raises(PolicyViolation) as error:
        publish(dist, options={"required": "audit"})
    assert error.value.hint.count("known vulnerabilities: GO-2026-0001") == 2


def test_without_a_database_nothing_is_published(publish, repo, packages, scanner, workdir):
    (workdir / "kubeparcel.yaml").write_text("vulnerability-database: missing\n")
    scanner()
    with pytest.raises(DatabaseError, match="No vulnerability database"):
        publish(packages, suite="test", options={"required": "audit"})
    assert not (repo / ".kubeparcel/state.json").exists()
