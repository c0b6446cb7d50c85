"""Every foreign field is printed without what a terminal executes: as text, JSON, HTML, JUnit, annotations and logs."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archive_builders import CONTROL, deb, member
from tests.support.task_runs import exit_code

EVIL = "\x1b[2J\x1b]0;owned\x07\x1b[31m\x9b2J\x85\u202e\u2066\u200f\x08\x7f"
EVIL_XML = "\x9b2J\x85\u202e\u2066\u200f\x7f"
FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

RELEASE = {
    "Origin": "acme",
    "Label": "acme",
    "Suite": "stable",
    "Codename": "stable",
    "Version": "1",
    "Date": "Thu, 01 Jan 2026 00:00:00 UTC",
    "Valid-Until": "Thu, 01 Jan 2037 00:00:00 UTC",
    "Acquire-By-Hash": "yes",
    "Architectures": "amd64",
    "Components": "main",
    "Description": "packages",
}
ENTRY = {
    "Package": "kubelet",
    "Version": "1.36.3-1",
    "Architecture": "amd64",
    "Filename": "pool/kubelet.deb",
    "Size": "10",
    "SHA256": "0" * 64,
    "SHA1": "0" * 40,
    "MD5sum": "0" * 32,
    "Depends": "kubectl (>= 1)",
    "Pre-Depends": "libc6",
}
PRIMARY = """\
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
<package type="rpm"><name>kubelet</name><arch>x86_64</arch><version epoch="0" ver="1.36.3" rel="1"/>
<checksum type="sha256" pkgid="YES">{digest}</checksum><size package="10" installed="1" archive="1"/>
<location href="kubelet.rpm" xml:base="http://127.0.0.1:9/"/><format><rpm:requires>
<rpm:entry name="kubectl" flags="GE" epoch="0" ver="1.36" rel="1"/></rpm:requires></format></package></metadata>
"""
REPOMD = """\
<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"><checksum type="sha256">{digest}</checksum>
<location href="repodata/primary.xml.gz"/><size>{size}</size></data><data type="filelists">
<checksum type="sha256">{digest}</checksum><location href="repodata/f.xml.gz"/></data></repomd>
"""


@pytest.fixture(autouse=True)
def isolated(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Print tracebacks as well, and the annotations of GitHub."""
    monkeypatch.setenv("KUBEPARCEL_DEBUG", "1")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(workdir / "summary"))


def stanza(fields: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def write_apt(root: Path, release: dict[str, str], entry: dict[str, str], name: str = "") -> Path:
    packages = stanza(entry).encode()
    folder = root / "dists/stable/main/binary-amd64"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Packages").write_bytes(packages)
    listed = f"SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} main/binary-amd64/Packages{name}\n"
    (root / "dists/stable/Release").write_text(stanza(release) + listed, newline="")
    return root


def write_yum(root: Path, primary: str, repomd: str) -> Path:
    (root / "repodata").mkdir(parents=True, exist_ok=True)
    data = gzip.compress(primary.encode())
    (root / "repodata/primary.xml.gz").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    (root / "repodata/repomd.xml").write_text(repomd.replace("{digest}", digest).replace("{size}", str(len(data))))
    return root


def attribute_variants(text: str) -> Iterator[str]:
    """Yield an XML text with each of its values made hostile."""
    for match in re.finditer(r'(?<==")[^"]*(?=")|(?<=>)[^<>\n]+(?=<)', text):
        if "linux.duke.edu" not in match[0]:
            yield text[: match.end()] + EVIL_XML + text[match.end() :]


def repositories(base: Path) -> Iterator[Path]:
    """Yield repositories in which one field each is hostile."""
    for name, value in RELEASE.items():
        yield write_apt(base / f"r-{name}", {**RELEASE, name: value + EVIL}, ENTRY)
    for name, value in ENTRY.items():
        yield write_apt(base / f"p-{name}", RELEASE, {**ENTRY, name: value + EVIL})
    yield write_apt(base / "listed", RELEASE, ENTRY, EVIL)
    primary = PRIMARY.replace("{digest}", "0" * 64)
    for index, text in enumerate(attribute_variants(primary)):
        yield write_yum(base / f"y-{index}", text, REPOMD)
    for index, text in enumerate(attribute_variants(REPOMD)):
        yield write_yum(base / f"m-{index}", primary, text)
    yield write_apt(base / f"folder-{EVIL.replace('/', '')}", RELEASE, ENTRY)


def run(*words: object) -> None:
    assert exit_code(*words) in (0, 1, 2, 3)


def assert_printable(text: str, what: object) -> None:
    assert not FORBIDDEN.search(text), f"{what}: {FORBIDDEN.search(text)} in {text!r}"


def test_repositories_cannot_execute_anything_in_a_terminal(workdir, capsys):
    junit = workdir / "doctor.xml"
    count = 0
    for repository in repositories(workdir):
        as_json = ["--json"] if count % 8 == 0 else []
        for command in (["doctor", repository, "--junit", junit], ["ls", repository, *as_json]):
            run(*command)
            output = capsys.readouterr()
            assert_printable(output.out + output.err, command)
        if junit.exists():
            assert_printable(junit.read_text(), repository)
        count += 1
    assert count > 40


RECORD = {
    "package": f"kubelet 1.36.3-1{EVIL}",
    "source": f"upstream{EVIL}",
    "binaries": {f"kubelet{EVIL}": {"sha256": f"0{EVIL}", "url": f"https://u:secret@host/{EVIL}"}},
    "contents": {"files": {f"/usr/bin/kubelet{EVIL}": {"mode": f"0755{EVIL}"}}, "relations": {"depends": [EVIL]}},
}


@pytest.fixture
def packages(workdir: Path) -> Path:
    """A folder with packages whose fields, file names, links, scripts and provenance are hostile."""
    folder = workdir / "packages"
    folder.mkdir()
    files = (
        member(f"./usr/bin/a{EVIL}", b"x", mode=0o755),
        member("./usr/share/doc/kubelet/provenance.json", json.dumps(RECORD).encode()),
        member(f"./etc/b{EVIL}", kind=b"2", linkname=f"../{EVIL}"),
    )
    plain = CONTROL.replace("small", "kubelet")
    for index, line in enumerate(plain.splitlines()):
        control = {"control": plain.replace(line, line + EVIL), "postinst": f"#!/bin/sh\necho {EVIL} [[ a == b ]]\n"}
        (folder / f"{index}.deb").write_bytes(deb(*files, control=control))
    (folder / "plain.deb").write_bytes(deb(*files, control={"control": plain, "conffiles": f"/etc/{EVIL}\n"}))
    (folder / f"name{EVIL}.deb").write_bytes(deb(*files, control={"control": plain}))
    return folder


def test_packages_cannot_execute_anything_in_a_terminal(workdir, packages, capsys):
    for package in sorted(packages.iterdir()):
        run("show", package)
        run("verify", package, "--html", workdir / "v.html", "--junit", workdir / "v.xml")
        output = capsys.readouterr()
        assert_printable(output.out + output.err, package)
        for report in filter(Path.exists, (workdir / "v.html", workdir / "v.xml", workdir / "summary")):
            assert_printable(html.unescape(report.read_text()), report)
            report.unlink()
    for task in ("show", "verify"):
        run(task, packages / "plain.deb", "--json")
        output = capsys.readouterr()
        assert_printable(output.out + output.err, task)
    for log in workdir.rglob("kubeparcel.log"):
        assert_printable(log.read_text(), log)
