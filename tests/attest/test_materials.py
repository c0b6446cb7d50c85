"""The materials of statements are compared with kubeparcel.lock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from kubeparcel.attest.materials import digest_text
from kubeparcel.build.lock import lockfile
from kubeparcel.trust.statement import Resource
from tests.attest.conftest import FAILED, NOT_RUN, PASSED, attest, build, change_statement, findings, parameters, states
from tests.support.fake_sources import locked


def change_first_digest(lock: Path, after: str = "") -> None:
    """Change a digest in the lock, the first one after a text."""
    text = lock.read_text()
    digest = re.search(r"sha256:(\w+)", text[text.index(after) :])[1]
    lock.write_text(text.replace(digest, "0" * 64))


def test_other_materials_than_the_lock_names_are_refused(built, workdir):
    change_first_digest(workdir / lockfile.NAME)
    report = attest(built)
    assert "find out which is right" in findings(report)["materials"]


def test_a_lock_of_another_release_is_not_compared(built, tmp_path):
    report = attest(built, base=tmp_path / "elsewhere")
    assert states(report)["materials"] == NOT_RUN
    assert not report.failed


def test_the_lock_of_the_package_is_found_among_those_of_several_releases(built, workdir):
    path = workdir / lockfile.NAME
    own = lockfile.read_all(path)[0]
    lockfile.write_all([locked("1.35.4", "1.35.0", "1.8.0"), own], path)
    assert states(attest(built))["materials"] == PASSED
    change_first_digest(path, after="1.36.3")
    assert states(attest(built))["materials"] >= FAILED


def test_a_lock_without_the_component_of_a_package_is_not_compared(built, workdir):
    path = workdir / lockfile.NAME
    document = yaml.safe_load(path.read_text())
    del document["components"]["cni"], document["request"]["cni"]
    path.write_text(yaml.safe_dump(document))
    report = attest(built)
    assert states(report)["materials"] > NOT_RUN
    assert not report.failed


def test_a_lock_that_contradicts_the_materials_is_refused(built):
    """The package is what the lock gives, but the statement claims another origin."""

    def change(document: dict[str, Any]) -> None:
        parameters(document)["resolvedDependencies"][0]["digest"]["sha256"] = "0" * 64

    report = attest(change_statement(built, change), rebuild=True)
    assert "used, but not listed" in findings(report)["rebuild"]
    assert "contradict each other" in findings(report)["materials"]


def test_the_users_files_are_materials(built, workdir):
    (workdir / "motd").write_text("one\n")
    (workdir / "kubeparcel.yaml").write_text(
        "packages:\n  kubelet:\n    files:\n      - {path: /usr/share/kubelet/motd, source: motd}\n"
    )
    build(workdir)
    package = built / "deb/kubelet_1.36.3-1_amd64.deb"
    assert states(attest(package, rebuild=True))["rebuild"] == PASSED
    (workdir / "motd").write_text("two\n")
    report = attest(package, rebuild=True)
    assert states(report)["rebuild"] == FAILED
    assert "in the folder of the kubeparcel.yaml" in findings(report)["rebuild"]


def test_a_git_tree_is_named_by_its_own_digest():
    digests = {"gitTree": "b" * 40, "gitCommit": "a" * 40}
    assert digest_text(Resource("kubernetes", digest=digests)) == "b" * 40
    assert digest_text(Resource("kubelet", digest={"sha256": "c" * 64})) == "c" * 64
    assert digest_text(Resource("kubelet")) == "no digest"
