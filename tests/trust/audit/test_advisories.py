"""`inv audit --since`: advisories about what packages fix since their earlier versions."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.doctor import examination
from kubeparcel.doctor.examination import ExaminationRequest
from tests.acceptance.engines import require_programs
from tests.diff.conftest import Entry, write_deb
from tests.repository.test_advisories import updateinfo
from tests.support import package_builders
from tests.support.archive_builders import File, rpm
from tests.support.elf_files import Go, elf
from tests.support.repository_fixtures import Publish, publish_folder
from tests.support.vulnerability_databases import entry, write_database
from tests.trust.audit.conftest import HTTP2, NET, FakeScanner, finding


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return write_database(
        tmp_path / "vulndb", *(entry(number, NET, "", {HTTP2: ["Server.ServeConn"]}) for number in (1, 2))
    )


@pytest.fixture(autouse=True)
def vulnerabilities(scanner: FakeScanner) -> None:
    """Two vulnerabilities, each of versions before its fix."""
    scanner(*(finding(number, fixed=fixed, package=HTTP2) for number, fixed in ((1, "v0.51.0"), (2, "v0.99.0"))))


def release(folder: Path, version: str, module: str) -> Path:
    """Write an agent as deb and rpm, with a version of golang.org/x/net."""
    folder.mkdir(exist_ok=True)
    binary = elf("kubelet", go=Go(modules={NET: module}, functions=(f"{HTTP2}.(*Server).ServeConn",)))
    values: dict[int, Any] = {1000: "acme-agent", 1001: version, 1002: "1", 1044: "acme-agent.src.rpm"}
    data = rpm(File("/usr/bin/kubelet", binary, mode=0o100755), values=values)
    (folder / f"acme-agent-{version}-1.x86_64.rpm").write_bytes(data)
    write_deb(folder, {"/usr/bin/kubelet": Entry(binary, mode=0o755)}, name="acme-agent", version=f"{version}-1")
    return folder


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder with three versions: 1.36.3, an older one, and a newer one."""
    for version, module in (("1.36.2", "v0.40.0"), ("1.36.3", "v0.49.0"), ("1.37.0", "v0.99.0")):
        release(tmp_path / "earlier", version, module)
    return tmp_path / "earlier"


@pytest.fixture
def repository(publish: Publish, earlier: Path, repo: Path) -> Path:
    """A repository with these versions."""
    publish(earlier, suite="test")
    return repo


def test_advisories_name_the_vulnerabilities_that_only_the_earlier_version_has(run_audit, earlier, database, tmp_path):
    dist = release(tmp_path / "dist", "1.36.4", "v0.51.0")
    code, out, error = run_audit(dist, "--since", earlier, "--database", database)
    assert code == 1
    assert "GO-2026-0002" in out
    assert "2 advisories written" in error
    files = sorted((dist / "advisories").iterdir())
    assert [path.name for path in files] == [
        "acme-agent-1.36.4-1.x86_64.rpm.openvex.json",
        "acme-agent_1.36.4-1_amd64.deb.openvex.json",
    ]
    document = json.loads(files[0].read_bytes())
    (statement,) = document["statements"]
    assert statement["vulnerability"]["name"] == "GO-2026-0001"
    assert statement["vulnerability"]["aliases"] == ["CVE-2026-1"]
    assert statement["products"] == [{"@id": "pkg:rpm/acme-agent@1.36.4-1?arch=x86_64"}]
    before = [path.read_bytes() for path in files]
    run_audit(dist, "--since", earlier, "--database", database)
    assert [path.read_bytes() for path in files] == before


def test_a_release_that_fixes_nothing_has_no_advisory(run_audit, earlier, database, tmp_path):
    dist = release(tmp_path / "dist", "1.36.4", "v0.50.0")
    assert "0 advisories written" in run_audit(dist, "--since", earlier, "--database", database)[2]
    assert not (dist / "advisories").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("repo", "--since", "repo"), "--since writes advisories next to packages, not into a repository"),
        (("oldest", "--since", "repo"), "has no earlier versions of these packages"),
        (("oldest", "--since", "missing"), "missing"),
    ],
)
def test_what_cannot_be_compared_is_an_error(run_audit, repository, database, tmp_path, words, expected):
    release(tmp_path / "oldest", "1.36.1", "v0.40.0")
    paths = [word if word.startswith("--") else str(tmp_path / word) for word in words]
    code, _, error = run_audit(*paths, "--database", database)
    assert code == 2
    assert expected in error
    assert not list(repository.rglob("*.openvex.json"))


def test_a_repository_with_advisories_passes_the_doctor(run_audit, repository, database, tmp_path):
    dist = release(tmp_path / "dist", "1.36.4", "v0.51.0")
    run_audit(dist, "--since", repository, "--database", database)
    publish_folder(dist, repository, suite="test")
    assert not examine(repository)
    (path,) = repository.glob("yum/test/packages/*.openvex.json")
    path.write_bytes(path.read_bytes() + b" ")
    assert "attestations" in examine(repository)


def examine(repository: Path) -> dict[str, set[str]]:
    """Return the failed checks of the doctor."""
    return examination.examine(ExaminationRequest(str(repository)), QuietLog()).failed_checks


def test_dnf_lists_what_an_update_fixes(run_audit, repository, database, tmp_path):
    require_programs("dnf")
    dist = release(tmp_path / "dist", "1.36.4", "v0.51.0")
    run_audit(dist, "--since", repository, "--database", database)
    publish_folder(dist, repository, suite="test")
    assert b"CVE-2026-1" in updateinfo(repository, "test")
    folder = tmp_path / "dnf"
    (folder / "repos").mkdir(parents=True)
    (folder / "dnf.conf").write_text(
        f"[main]\ncachedir={folder}/cache\npersistdir={folder}/cache\nlogdir={folder}\nreposdir={folder}/repos\n"
        "plugins=0\nskip_if_unavailable=0\n"
        f"[test]\nname=test\nbaseurl=file://{repository}/yum/test\ngpgcheck=0\n"
    )
    subprocess.run(["rpm", "--root", folder / "root", "--initdb"], check=True)
    install = ["--nodeps", "--nosignature", "--nodigest", "--justdb", "--ignorearch", "--noscripts"]
    older = package_builders.rpm(folder, "acme-agent", "1.36.3-1", "amd64")
    subprocess.run(["rpm", "--root", folder / "root", "-i", *install, older], check=True)
    options = ["--config", folder / "dnf.conf", "--installroot", folder / "root", "--releasever", "1", "-q"]
    command = ["dnf", *options, "updateinfo"]

    def run(*words: str) -> str:
        return subprocess.run([*command, *words], check=True, capture_output=True, text=True).stdout

    assert "CVE-2026-1 Unknown/Sec. acme-agent-1.36.4-1.x86_64" in " ".join(run("list", "--with-cve").split())
    text = run("info")
    assert "acme-agent 1.36.4-1 fixes known vulnerabilities" in text
    assert "Type: security" in text
    assert "Trouble 1 in golang.org/x/net" in text
