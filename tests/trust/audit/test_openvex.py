"""OpenVEX statements: which findings they exempt, and which documents are refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.vulnerability_databases import write_json
from tests.trust.audit.conftest import CALLED, NET, FakeScanner, RunAudit, finding

KUBELET = "pkg:deb/kubelet@1.0-1?arch=amd64"


def statement(**fields: Any) -> dict[str, Any]:
    return {
        "vulnerability": {"name": "CVE-2026-1"},
        "products": [{"@id": KUBELET}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
        **fields,
    }


def write_vex(path: Path, *statements: Any, **fields: Any) -> Path:
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex/1",
        "author": "Tests",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": list(statements),
        **fields,
    }
    write_json(path, document)
    return path


@pytest.fixture
def audited(run_audit: RunAudit, scanner: FakeScanner, packages: Path, database: Path, tmp_path: Path) -> Any:
    """Audit the packages with these statements: exit code, formats with the finding, formats exempted."""
    scanner(finding(1, **CALLED))

    def run(*statements: Any) -> tuple[int, list[str], list[str]]:
        vex = write_vex(tmp_path / "vex.json", *statements)
        code, out, _ = run_audit(packages, "--database", database, "--vex", vex, "--json")
        document = json.loads(out)
        counted = [use["format"] for fix in document["fixes"] for row in fix["findings"] for use in row["binaries"]]
        return code, counted, [use["format"] for row in document["exempted"] for use in row["binaries"]]

    return run


@pytest.mark.parametrize(
    ("products", "exempted"),
    [
        ([{"@id": KUBELET}], ["deb"]),
        ([KUBELET, "pkg:rpm/kubelet"], ["deb", "rpm"]),
        ([{"identifiers": {"purl": "pkg:rpm/fedora/kubelet@1.0-1"}}], ["rpm"]),
        ([{"@id": "pkg:golang/k8s.io/kubernetes@v1.36.3"}], ["deb", "rpm"]),
        ([{"@id": "pkg:golang/k8s.io/kubernetes@v1.36.4"}], []),
        ([{"@id": "pkg:golang/golang.org/x/net@v0.49.0"}], ["deb", "rpm"]),
        ([{"@id": "pkg:golang/golang.org/x/net@v0.48.0"}], []),
        ([{"@id": "pkg:deb/kubelet@1.0-2"}], []),
        ([{"@id": "pkg:deb/kubelet?arch=arm64"}], []),
        ([{"@id": "pkg:deb/kubeadm"}], []),
        ([{"@id": "pkg:deb/kubelet", "subcomponents": [{"@id": "pkg:golang/golang.org/x/net"}]}], ["deb"]),
        ([{"@id": "pkg:deb/kubelet", "subcomponents": [{"@id": "pkg:golang/golang.org/x/crypto"}]}], []),
    ],
)
def test_statement_exempts_the_findings_of_its_products(audited, products, exempted):
    code, counted, exempt = audited(statement(products=products))
    assert exempt == exempted
    assert sorted(counted + exempt) == ["deb", "rpm"]
    assert code == (0 if exempted == ["deb", "rpm"] else 1)


@pytest.mark.parametrize(
    ("name", "exempted"),
    [
        ({"name": "GO-2026-0001"}, ["deb"]),
        ({"@id": "https://pkg.go.dev/vuln/GO-2026-0001"}, ["deb"]),
        ({"name": "X-1", "aliases": ["CVE-2026-1"]}, ["deb"]),
        ("CVE-2026-1", ["deb"]),
        ({"name": "CVE-2026-11"}, []),
    ],
)
def test_vulnerability_is_found_by_any_of_its_names(audited, name, exempted):
    assert audited(statement(vulnerability=name))[2] == exempted


@pytest.mark.parametrize(
    ("status", "exempted"),
    [("not_affected", ["deb"]), ("fixed", ["deb"]), ("affected", []), ("under_investigation", [])],
)
def test_only_not_affected_and_fixed_exempt(audited, status, exempted):
    assert audited(statement(status=status))[2] == exempted


def test_latest_statement_about_a_vulnerability_counts(audited):
    old = statement(timestamp="2026-02-01T00:00:00Z")
    new = statement(timestamp="2026-03-01T00:00:00Z", status="affected")
    for statements in ((old, new), (new, old)):
        assert audited(*statements)[2] == []


def test_exemptions_and_unused_statements_are_listed(run_audit, scanner, packages, database, tmp_path):
    scanner(finding(1, **CALLED))
    vex = write_vex(
        tmp_path / "vex.json",
        statement(products=[KUBELET, "pkg:rpm/kubelet"]),
        statement(vulnerability={"name": "CVE-1999-1"}),
    )
    code, out, _ = run_audit(packages, "--database", database, "--vex", vex)
    text = " ".join(out.split())
    assert code == 0
    assert "GO-2026-0001 in kubelet 1.0-1 (deb/rpm, amd64): not_affected, vulnerable code not in execute path" in text
    assert "the statement on CVE-1999-1 matches no finding" in text
    assert "No known vulnerabilities" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "Cannot read .*vex.json: No such file"),
        (lambda path: path.write_text("{{"), "vex.json is not valid JSON"),
        (lambda path: path.write_text("[]"), "is not an OpenVEX document"),
        (lambda path: write_vex(path, **{"@context": "https://spdx.dev"}), "is not an OpenVEX document"),
        (write_vex, "has no statements"),
        (lambda path: write_vex(path, statement(), 1), "statement 2: "),
        (lambda path: write_vex(path, statement(status="harmless")), "invalid status 'harmless': use not_affected"),
        (lambda path: write_vex(path, statement(justification="because")), "invalid justification 'because': use"),
        (lambda path: write_vex(path, statement(justification="")), "needs a justification or an impact_statement"),
        (lambda path: write_vex(path, statement(vulnerability={})), "it has no vulnerability"),
        (lambda path: write_vex(path, statement(products=[])), "it has no products"),
        (lambda path: write_vex(path, statement(products=["kubelet"])), "'kubelet' is not a package URL"),
        (lambda path: write_vex(path, statement(), timestamp="now"), "timestamp 'now' is not a date"),
        (
            lambda path: write_vex(path, statement(), timestamp="0001-01-01T00:00:00+14:00"),
            "is not between 1970 and 2106",
        ),
        (
            lambda path: write_vex(path, statement(vulnerability={"name": "CVE-1", "aliases": "GO-1"})),
            "its aliases are not a list",
        ),
    ],
)
def test_invalid_document_is_an_error(run_audit, scanner, packages, database, tmp_path, change, message):
    scanner(finding(1, **CALLED))
    path = write_vex(tmp_path / "vex.json", statement())
    change(path)
    code, out, err = run_audit(packages, "--database", database, "--vex", path)
    assert (code, out) == (2, "")
    assert re.search(message, err)
    assert "Traceback" not in err


def test_module_name_is_compared_in_any_case(audited):
    assert audited(statement(products=[f"pkg:golang/{NET.upper()}"]))[2] == ["deb", "rpm"]
