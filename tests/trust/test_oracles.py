"""The modules in SBOMs are those that other projects' tools find, and these tools read our documents."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.trust import cyclonedx, spdx
from kubeparcel.trust.document import serialize
from kubeparcel.trust.subject import Subject
from tests.packages.conftest import Make
from tests.support.go_programs import go_program
from tests.support.mutants.sboms import subject
from tests.trust.conftest import NFPM

pytestmark = pytest.mark.oracles

Modules = set[tuple[str, str, str]]
"""Path, version and sum of each module, the sum in hexadecimal."""


@pytest.fixture(scope="session")
def gomod() -> Path:
    return go_program("github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod", "v1.10.0")


@pytest.fixture(scope="session")
def syft() -> Path:
    return go_program("github.com/anchore/syft/cmd/syft", "v1.57.0")


def run(*argv: str | Path) -> Any:
    """Return the JSON that a program prints."""
    result = subprocess.run(argv, capture_output=True, check=True, env={"PATH": "/usr/local/go/bin:/usr/bin:/bin"})
    return json.loads(result.stdout)


def modules_of(document: Any) -> Modules:
    """Return the modules of a CycloneDX document."""
    parts = [part for part in document["components"] if part.get("purl", "").startswith("pkg:golang/")]
    return {
        (part["name"], part.get("version", ""), next((row["content"] for row in part.get("hashes", ())), ""))
        for part in parts
        if part["name"] not in ("std", "stdlib")
    }


def modules_by_syft(document: Any) -> Modules:
    """Return the modules of syft's own JSON."""
    return {
        (row["name"], row["version"], base64.b64decode(row["metadata"].get("h1Digest", "").removeprefix("h1:")).hex())
        for row in document["artifacts"]
        if row["type"] == "go-module" and row["name"] != "stdlib"
    }


def standard_library(parts: Any) -> set[str]:
    return {part["version"].removeprefix("go") for part in parts if part["name"] in ("std", "stdlib")}


def subject_with(nfpm: Make, program: Path) -> Subject:
    return subject(nfpm("deb", {"/usr/bin/program": program.read_bytes()}, deb={"compression": "none"}))


@pytest.fixture(params=["nfpm", "gomod", "syft"])
def program(request: pytest.FixtureRequest) -> Path:
    """A Go program with up to several hundred modules."""
    path: Path = NFPM if request.param == "nfpm" else request.getfixturevalue(request.param)
    return path


def test_modules_versions_and_sums_are_those_of_cyclonedx_gomod(nfpm, gomod, program):
    theirs = run(gomod, "bin", "-json", "-std", program)
    ours = cyclonedx.package_document(subject_with(nfpm, program))
    main = theirs["metadata"]["component"]
    assert modules_of(ours) == modules_of({"components": [*theirs["components"], main]})
    assert standard_library(ours["components"]) == standard_library(theirs["components"])


def test_modules_versions_and_sums_are_those_of_syft(nfpm, syft, program):
    theirs = run(syft, "scan", f"file:{program}", "--output", "syft-json", "--quiet")
    ours = cyclonedx.package_document(subject_with(nfpm, program))
    assert modules_of(ours) == modules_by_syft(theirs)
    assert standard_library(ours["components"]) == standard_library(theirs["artifacts"])


@pytest.mark.parametrize("format_", [cyclonedx, spdx], ids=["CycloneDX", "SPDX"])
def test_syft_reads_every_module_of_our_documents(nfpm, syft, tmp_path, format_):
    subject = subject_with(nfpm, NFPM)
    file = tmp_path / f"small{format_.SUFFIX}"
    file.write_bytes(serialize(format_.package_document(subject)))
    read = run(syft, "convert", file, "--output", "syft-json", "--quiet")
    modules = {(name, version) for name, version, _ in modules_of(cyclonedx.package_document(subject))}
    assert modules <= {(row["name"], row["version"]) for row in read["artifacts"]}
