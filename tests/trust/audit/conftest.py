"""Fixtures of the audit's tests: packages with binaries, a database, and a program in place of govulncheck."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.diff.conftest import Entry, write_deb, write_rpm
from tests.support.archive_builders import File
from tests.support.elf_files import Go, elf
from tests.support.repository_fixtures import configuration, dist, key, publish, repo, session_key
from tests.support.task_runs import runner
from tests.support.vulnerability_databases import entry, write_database

RunAudit = Callable[..., tuple[int, str, str]]
FakeScanner = Callable[..., Path]

NET = "golang.org/x/net"
HTTP2 = "golang.org/x/net/http2"
CALLED = {"package": HTTP2, "receiver": "Server", "function": "ServeConn"}

_SCANNER = """\
#!{python}
import json, os, pathlib, sys
options = dict(zip(sys.argv[1:-1:2], sys.argv[2:-1:2]))
folder = pathlib.Path(options["-db"].removeprefix("file://"))
with open({log!r}, "a") as log:
    print(json.dumps([options, sys.argv[-1], os.path.getsize(sys.argv[-1])]), file=log)
config = {{"scanner_name": "govulncheck", "scanner_version": "v1.9.0", "scan_mode": "binary"}}
if folder.is_dir():
    config["db_last_modified"] = json.loads((folder / "index/db.json").read_text()).get("modified", "")
print(json.dumps({{"config": config}}, indent=2))
print(json.dumps({{"progress": {{"message": "Scanning"}}}}))
for path in sorted(folder.glob("ID/*.json")):
    print(json.dumps({{"osv": json.loads(path.read_text())}}, indent=2))
binary = pathlib.Path(sys.argv[-1]).read_bytes()
for finding in json.loads({findings!r}):
    if not finding["fixed_version"] or finding["fixed_version"].encode() not in binary:
        print(json.dumps({{"finding": finding}}, indent=2))
"""


def finding(number: int, module: str = NET, version: str = "v0.49.0", fixed: str = "v0.51.0", **frame: str) -> Any:
    """Return a finding as govulncheck prints it."""
    name = f"GO-2026-{number:04}"
    return {"osv": name, "fixed_version": fixed, "trace": [{"module": module, "version": version, **frame}]}


@pytest.fixture
def scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeScanner:
    """Put a program on PATH that prints these findings of binaries without the fixed version; return its log."""

    def install(*findings: Mapping[str, Any], text: str = "") -> Path:
        log = tmp_path / "scanner.log"
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "govulncheck"
        script = _SCANNER.format(python=sys.executable, log=str(log), findings=json.dumps(findings))
        program.write_text(text or script)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return log

    return install


@pytest.fixture
def no_scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without govulncheck."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("GOBIN", "GOPATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with one vulnerability of net/http2."""
    return write_database(tmp_path / "vulndb", entry(1, NET, "0.51.0", {HTTP2: ["Server.ServeConn"]}))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """The kubelet as deb and rpm, with the same stripped binary."""
    return write_packages(tmp_path / "dist")


def write_packages(folder: Path, functions: Sequence[str] = (f"{HTTP2}.(*Server).ServeConn",)) -> Path:
    """Write the kubelet as deb and rpm with these functions."""
    binary = elf("kubelet", go=Go(modules={NET: "v0.49.0"}, functions=functions))
    write_deb(folder, {"/usr/bin/kubelet": Entry(binary, mode=0o755)}, name="kubelet")
    write_rpm(folder, File("/usr/bin/kubelet", binary, mode=0o100755), name="kubelet")
    return folder


@pytest.fixture
def run_audit(capsys: pytest.CaptureFixture[str]) -> RunAudit:
    return runner(capsys, "audit")
