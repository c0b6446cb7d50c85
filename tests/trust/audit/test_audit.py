"""The task audit: findings, levels, groups, exit codes. A program of the tests stands in for govulncheck."""

import json
import re
import tempfile
from pathlib import Path

import pytest

from tests.diff.conftest import Entry, write_deb
from tests.support.elf_files import Go, elf
from tests.support.vulnerability_databases import entry, write_database
from tests.trust.audit.conftest import CALLED, HTTP2, NET, finding, write_packages


def test_each_different_binary_is_scanned_once(run_audit, scanner, packages, database):
    log = scanner()
    code, out, _ = run_audit(packages, "--database", database)
    assert code == 0
    assert "No known vulnerabilities · database of " in out
    ((options, path, size),) = map(json.loads, log.read_text().splitlines())
    assert options == {"-mode": "binary", "-format": "json", "-db": database.as_uri()}
    assert size > 0
    assert not Path(path).exists()


def test_findings_are_grouped_by_what_fixes_them(run_audit, scanner, packages, tmp_path):
    entries = [
        entry(n, NET, fixed, {HTTP2: ["Server.ServeConn"]}) for n, fixed in ((1, "0.51.0"), (2, "0.9.0"), (3, ""))
    ]
    database = write_database(tmp_path / "db", *entries)
    scanner(finding(1, **CALLED), finding(2, fixed="v0.50.0", **CALLED), finding(3, fixed="", **CALLED))
    code, out, _ = run_audit(packages, "--database", database, "--json")
    document = json.loads(out)
    assert code == 1
    assert [(fix["module"], fix["version"], fix["fixed"], len(fix["findings"])) for fix in document["fixes"]] == [
        (NET, "v0.49.0", "", 1),
        (NET, "v0.49.0", "v0.51.0", 2),
    ]
    row = document["fixes"][1]["findings"][0]
    assert (row["vulnerability"], row["aliases"], row["level"]) == ("GO-2026-0001", ["CVE-2026-1"], "called")
    assert [(use["package"], use["format"], use["path"]) for use in row["binaries"]] == [
        ("kubelet", "deb", "/usr/bin/kubelet"),
        ("kubelet", "rpm", "/usr/bin/kubelet"),
    ]
    text = run_audit(packages, "--database", database)[1]
    assert "golang.org/x/net v0.49.0 → v0.51.0\n  in kubelet 1.0-1 (deb/rpm, amd64)\n" in text
    assert "golang.org/x/net v0.49.0: no fix yet" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("functions", "level"),
    [
        ((f"{HTTP2}.(*Server).ServeConn",), "called"),
        ((f"{HTTP2}.Server.ServeConn",), "called"),
        ((f"{HTTP2}.(*Server[go.shape.int,go.shape.*[]uint8]).ServeConn",), "called"),
        ((f"{HTTP2}.(*Other).ServeConn", f"{HTTP2}.ServeConn"), "imported"),
        (("golang.org/x/net/http2/hpack.NewDecoder", "main.main"), "required"),
    ],
)
def test_functions_of_stripped_binaries_are_looked_up(run_audit, scanner, database, tmp_path, functions, level):
    scanner(finding(1), finding(1, package=HTTP2), finding(1, **CALLED))
    packages = write_packages(tmp_path / "dist", functions)
    document = json.loads(run_audit(packages, "--database", database, "--json")[1])
    assert [row["level"] for fix in document["fixes"] for row in fix["findings"]] == [level]


@pytest.mark.parametrize(
    ("level", "functions", "failing"),
    [
        ("called", "called", ("any", "imported", "called")),
        ("imported", "imported", ("any", "imported")),
        ("required", "required", ("any",)),
    ],
)
def test_findings_of_failing_levels_give_exit_code_1(run_audit, scanner, database, tmp_path, level, functions, failing):
    names = {"called": f"{HTTP2}.(*Server).ServeConn", "imported": f"{HTTP2}.New", "required": "main.main"}
    packages = write_packages(tmp_path / "dist", (names[functions],))
    scanner(finding(1, **CALLED))
    for fail_on in ("any", "imported", "called", "none"):
        code, out, _ = run_audit(packages, "--database", database, "--fail-on", fail_on)
        assert code == (1 if fail_on in failing else 0), fail_on
        assert "1 known vulnerability" in out
        assert f"  {level}" in out


def test_binaries_that_cannot_be_audited_are_named(run_audit, scanner, packages, database):
    write_deb(packages, {"/usr/bin/tool": Entry(elf("c"), mode=0o755)}, name="tool")
    unversioned = elf("d", go=Go(version="(devel)", functions=("main.main",)))
    write_deb(packages, {"/usr/bin/devel": Entry(unversioned, mode=0o755)}, name="devel")
    scanner()
    code, out, _ = run_audit(packages, "--database", database)
    assert code == 0
    assert "not audited: tool 1.0-1 (deb, amd64), not built with Go" in out
    assert "k8s.io/kubernetes has no version in devel: its own vulnerabilities are not found" in " ".join(out.split())


def test_packages_without_go_binaries_are_no_good_news(run_audit, scanner, tmp_path, database):
    write_deb(tmp_path / "dist", {"/usr/bin/tool": Entry(elf("c"), mode=0o755)})
    scanner()
    code, out, err = run_audit(tmp_path / "dist", "--database", database)
    assert (code, out) == (2, "")
    assert "No Go binaries" in err


def test_settings_name_the_database_and_statements(run_audit, scanner, packages, database, workdir):
    scanner()
    (workdir / "kubeparcel.yaml").write_text(f"vulnerability-database: {database}\nvex: [missing.json]\n")
    code, _, err = run_audit(packages)
    assert (code, "Cannot read missing.json" in err) == (2, True)
    (workdir / "kubeparcel.yaml").write_text(f"vulnerability-database: {database}\n")
    assert run_audit(packages)[0] == 0


def test_missing_govulncheck_is_reported_with_how_to_install_it(run_audit, no_scanner, packages, database):
    code, out, err = run_audit(packages, "--database", database)
    assert (code, out) == (3, "")
    assert "govulncheck is not installed" in err
    assert "go install golang.org/x/vuln/cmd/govulncheck@v1.9.0" in err
    code, out, err = run_audit(packages, "--database", database, "--govulncheck", "nowhere")
    assert (code, out) == (3, "")
    assert "--govulncheck nowhere is not a program" in err


def test_program_in_the_folder_of_go_install_is_found(
    run_audit, scanner, no_scanner, packages, database, tmp_path, monkeypatch
):
    log = scanner()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("GOBIN", str(tmp_path / "bin"))
    assert run_audit(packages, "--database", database)[0] == 0
    assert log.exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\necho boom >&2; exit 1\n", "govulncheck failed (exit code 1): boom"),
        ("#!/bin/sh\necho hello\n", "something other than JSON"),
        ("#!/bin/sh\nexit 0\n", "is not govulncheck"),
        ('#!/bin/sh\necho \'{"config": {"scan_mode": "source"}}\'\n', "is not govulncheck"),
        (
            "#!/bin/sh\necho 'govulncheck: fetching vulnerabilities: EOF' >&2; exit 1\n",
            "database .* cannot be read: fetch",
        ),
    ],
)
def test_program_that_fails_is_no_good_news(run_audit, scanner, packages, database, script, message):
    scanner(text=script)
    code, out, err = run_audit(packages, "--database", database)
    assert (code, out) == (3, "")
    assert re.search(message.replace("(", r"\(").replace(")", r"\)"), err)
    assert "Traceback" not in err


def test_json_of_an_error_is_one_document(run_audit, no_scanner, packages, database):
    code, out, err = run_audit(packages, "--database", database, "--json")
    assert (code, err) == (3, "")
    assert json.loads(out)["exit"] == 3


def test_hostile_text_of_a_database_is_printed_safely(run_audit, scanner, packages, tmp_path):
    hostile = entry(1, NET, "0.51.0", {HTTP2: ["Server.ServeConn"]}, summary="\x1b[2Jgone\u202e")
    scanner(finding(1, **CALLED))
    out = run_audit(packages, "--database", write_database(tmp_path / "db", hostile))[1]
    assert "gone" in out
    assert not {"\x1b", "\u202e"} & set(out)


def test_no_temporary_files_remain(run_audit, scanner, packages, database, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    scanner(text="#!/bin/sh\nexit 1\n")
    assert run_audit(packages, "--database", database)[0] == 3
    assert [*(tmp_path / "tmp").iterdir()] == []
