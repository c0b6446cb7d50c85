"""The real govulncheck on real binaries, with databases made for the test."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.diff.conftest import Entry, write_deb
from tests.support.elf_files import Go, elf
from tests.support.go_programs import go_program
from tests.support.vulnerability_databases import entry, write_database
from tests.support.web_server import serve_folder

pytestmark = pytest.mark.oracles

MOD = "golang.org/x/mod"
ENTRIES = (
    entry(1, MOD, "99.0.0", {"golang.org/x/mod/semver": ["Compare"]}),
    entry(2, MOD, "99.0.0", {"golang.org/x/mod/semver": ["NoSuch", "Also.NoSuch"]}),
    entry(3, MOD, "99.0.0", {"golang.org/x/mod/sumdb/tlog": ["TreeHash"]}),
    entry(4, "stdlib", "99.0.0", {"net/http": ["Client.Do"]}),
    entry(5, "golang.org/x/tools", "99.0.0", {"golang.org/x/tools/go/packages": []}),
    entry(6, MOD, "0.0.1", {"golang.org/x/mod/semver": ["Compare"]}),
    entry(7, "golang.org/x/other", "99.0.0", {"golang.org/x/other": ["F"]}),
)
LEVELS = {
    "GO-2026-0001": "called",
    "GO-2026-0002": "imported",
    "GO-2026-0003": "required",
    "GO-2026-0004": "called",
    "GO-2026-0005": "called",
}


@pytest.fixture(scope="module")
def program() -> Path:
    return go_program("golang.org/x/vuln/cmd/govulncheck", "v1.9.0")


def levels(out: str) -> Mapping[str, str]:
    document = json.loads(out)
    return {row["vulnerability"]: row["level"] for fix in document["fixes"] for row in fix["findings"]}


@pytest.mark.parametrize("stripped", [False, True])
def test_levels_are_the_same_with_and_without_a_symbol_table(run_audit, program, tmp_path, stripped):
    binary = Path(shutil.copy(program, tmp_path / "binary"))
    if stripped:
        if not shutil.which("strip"):
            pytest.skip("needs strip, of binutils")
        subprocess.run(["strip", binary], check=True)
    write_deb(tmp_path / "dist", {"/usr/bin/tool": Entry(binary.read_bytes(), mode=0o755)}, name="tool")
    database = write_database(tmp_path / "db", *ENTRIES)
    code, out, err = run_audit(tmp_path / "dist", "--database", database, "--govulncheck", program, "--json", "--quiet")
    assert (code, err) == (1, "")
    assert levels(out) == LEVELS


def test_database_of_a_web_server(run_audit, program, tmp_path):
    """Govulncheck fetches compressed files; a server without a database is an error."""
    write_deb(tmp_path / "dist", {"/usr/bin/tool": Entry(program.read_bytes(), mode=0o755)}, name="tool")
    database = write_database(tmp_path / "db", *ENTRIES)
    for path in [*database.rglob("*.json")]:
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
    with serve_folder(database) as server:
        words = (tmp_path / "dist", "--database", server.address, "--govulncheck", program, "--json", "--quiet")
        assert levels(run_audit(*words)[1]) == LEVELS
        (database / "index/modules.json.gz").write_bytes(b"")
        code, out, _ = run_audit(*words)
        assert code == 3
        assert "cannot be read" in json.loads(out)["error"]
        shutil.rmtree(database / "index")
        assert run_audit(*words)[0] == 3


def test_patched_module_is_judged_by_the_version_that_it_is_based_on(run_audit, program, tmp_path):
    """What the patches fix is stated by the user, in an OpenVEX document."""
    modules = (
        "\n=>\t./patched/k8s.io/kubernetes\t(devel)\t\n"
        "dep\tk8s.io/kubectl\tv0.0.0\n=>\t./patched/k8s.io/kubectl\t(devel)\t"
    )
    record = {
        "component": "kubernetes",
        "version": "1.36.3+acme.1",
        "patches": [{"file": "fix.patch", "sha256": "a" * 64}],
        "origins": [{"origin": "k8s.io/kubernetes@v1.36.3"}],
    }
    files = {
        "/usr/bin/tool": Entry(elf("small", go=Go(sum=modules)), mode=0o755),
        "/usr/share/doc/tool/provenance.json": Entry(json.dumps(record).encode()),
    }
    write_deb(tmp_path / "dist", files, name="tool")
    entries = [entry(1, "k8s.io/kubectl", "0.36.4"), entry(2, "k8s.io/kubectl", "0.36.3")]
    entries += [entry(3, "k8s.io/kubernetes", "1.36.4"), entry(4, "k8s.io/kubernetes", "1.36.3")]
    database = write_database(tmp_path / "db", *entries)
    code, out, err = run_audit(tmp_path / "dist", "--database", database, "--govulncheck", program, "--json", "--quiet")
    assert (code, err) == (1, ""), out
    assert levels(out) == {"GO-2026-0001": "required", "GO-2026-0003": "required"}
    assert "has no version" not in out


def test_binary_without_functions_only_requires_its_modules(run_audit, program, tmp_path):
    binary = elf("small", go=Go(modules={MOD: "v0.1.0"}))
    write_deb(tmp_path / "dist", {"/usr/bin/tool": Entry(binary, mode=0o755)}, name="tool")
    database = write_database(tmp_path / "db", *ENTRIES)
    words = (tmp_path / "dist", "--database", database, "--govulncheck", program, "--json")
    assert levels(run_audit(*words)[1]) == {f"GO-2026-000{number}": "required" for number in range(1, 5)}
