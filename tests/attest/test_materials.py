"""The materials of statements are compared with kubeparcel.lock."""

from __future__ import annotations

from typing import Any

import yaml

from kubeparcel.build.lock import lockfile
from kubeparcel.reports.results import CheckState
from tests.attest.conftest import FAILED, NOT_RUN, PASSED, attest, build, change_statement, findings, states
from tests.support.fake_sources import locked


def test_other_materials_than_the_lock_names_are_refused(built, workdir):
    lock = (workdir / lockfile.NAME).read_text()
    first = next(line for line in lock.splitlines() if "digest:" in line).split("sha256:")[1][:10]
    (workdir / lockfile.NAME).write_text(lock.replace(first, "0" * 10))
    report = attest(built, base=workdir)
    assert "find out which is right" in findings(report)["materials"]


def test_a_lock_of_another_release_is_not_compared(built, workdir, tmp_path):
    report = attest(built, base=tmp_path / "elsewhere")
    assert states(report)["materials"] == NOT_RUN
    assert not report.failed


def test_the_lock_of_the_package_is_found_among_those_of_several_releases(built, workdir):
    path = workdir / lockfile.NAME
    own = lockfile.read_all(path)[0]
    lockfile.write_all([locked("1.35.4", "1.35.0", "1.8.0"), own], path)
    assert states(attest(built, base=workdir))["materials"] == {CheckState.PASSED}
    text = path.read_text()
    first = next(line for line in text.partition("1.36.3")[2].splitlines() if "digest:" in line).split("sha256:")[1][
        :10
    ]
    path.write_text(text.replace(first, "0" * 10))
    assert CheckState.FAILED in states(attest(built, base=workdir))["materials"]


def test_a_lock_without_the_component_of_a_package_is_not_compared(built, workdir):
    path = workdir / lockfile.NAME
    document = yaml.safe_load(path.read_text())
    del document["components"]["cni"], document["request"]["cni"]
    path.write_text(yaml.safe_dump(document))
    report = attest(built, base=workdir)
    assert states(report)["materials"] > NOT_RUN
    assert not report.failed


def test_a_lock_that_contradicts_the_materials_is_refused(built, workdir):
    """The package is what the lock gives, but the statement claims another origin."""

    def change(document: dict[str, Any]) -> None:
        materials = document["predicate"]["buildDefinition"]["resolvedDependencies"]
        materials[0]["digest"]["sha256"] = "0" * 64

    report = attest(change_statement(built, change), base=workdir, rebuild=True)
    assert "used, but not listed" in findings(report)["rebuild"]
    assert "contradict each other" in findings(report)["materials"]


def test_the_users_files_are_materials(built, workdir):
    (workdir / "motd").write_text("one\n")
    (workdir / "kubeparcel.yaml").write_text(
        "packages:\n  kubelet:\n    files:\n      - {path: /usr/share/kubelet/motd, source: motd}\n"
    )
    build(workdir)
    package = built / "deb/kubelet_1.36.3-1_amd64.deb"
    assert states(attest(package, base=workdir, rebuild=True))["rebuild"] == PASSED
    (workdir / "motd").write_text("two\n")
    report = attest(package, base=workdir, rebuild=True)
    assert states(report)["rebuild"] == FAILED
    assert "in the folder of the kubeparcel.yaml" in findings(report)["rebuild"]
