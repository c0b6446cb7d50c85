"""The requirement `audit` of repositories: which packages meet it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.trust.audit.database import DatabaseError
from kubeparcel.trust.audit.examination import audit_problem
from tests.diff.conftest import Entry, write_deb
from tests.support.elf_files import elf
from tests.trust.audit.conftest import CALLED, finding


@pytest.fixture
def kubelet(packages: Path) -> Path:
    return next(packages.glob("*.deb"))


@pytest.fixture
def settings(workdir: Path, database: Path) -> Path:
    """The folder of a kubeparcel.yaml that names the database."""
    (workdir / "kubeparcel.yaml").write_text(f"vulnerability-database: {database}\n")
    return workdir


def test_package_with_a_known_vulnerability_fails_and_others_pass(scanner, settings, kubelet):
    scanner(finding(1, **CALLED))
    expected = "known vulnerabilities: GO-2026-0001 (golang.org/x/net v0.49.0 → v0.51.0)"
    assert audit_problem(kubelet, settings) == expected
    (settings / "kubeparcel.yaml").write_text((settings / "kubeparcel.yaml").read_text() + "audit-fail-on: none\n")
    assert audit_problem(kubelet, settings) == ""
    scanner()
    assert audit_problem(kubelet, settings) == ""


def test_package_without_binaries_passes_and_one_that_cannot_be_audited_fails(scanner, settings, tmp_path):
    scanner()
    assert audit_problem(write_deb(tmp_path, {"/etc/x": Entry()}, name="text"), settings) == ""
    other = write_deb(tmp_path, {"/usr/bin/tool": Entry(elf("c"), mode=0o755)}, name="tool")
    assert audit_problem(other, settings) == "/usr/bin/tool cannot be audited: it was not built from Go modules"


def test_missing_database_is_an_error(scanner, settings, kubelet):
    scanner()
    (settings / "kubeparcel.yaml").write_text("vulnerability-database: missing\n")
    with pytest.raises(DatabaseError, match="No vulnerability database"):
        audit_problem(kubelet, settings)
