"""Packages are built again from their statements."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.attest.conftest import PASSED, attest, build, change_statement, findings, states


def test_a_signed_rpm_is_built_again(published, workdir):
    (rpm,) = published.glob("yum/stable/packages/kubelet-*.rpm")
    report = attest(rpm, base=workdir, key=str(published / "key.pem"), rebuild=True)
    assert states(report)["rebuild"] == PASSED


def test_a_package_that_cannot_be_built_again_names_the_first_difference(built, workdir):
    path = built / "attestations/kubelet_1.36.3-1_amd64.deb.intoto.json"
    document = json.loads(path.read_bytes())
    document["predicate"]["buildDefinition"]["externalParameters"]["settings"]["maintainer"] = (
        "Eve <eve@example.invalid>"
    )
    path.write_text(json.dumps(document))
    report = attest(built / "deb/kubelet_1.36.3-1_amd64.deb", base=workdir, rebuild=True)
    assert "maintainer; first at byte " in findings(report)["rebuild"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"compression": "none"}, "the settings in its statement are invalid"),
        ({"revision": "7"}, "do not give a package of this name"),
    ],
)
def test_invalid_parameters_are_no_traceback(built, workdir, change, problem):
    path = built / "attestations/kubelet_1.36.3-1_amd64.deb.intoto.json"
    document = json.loads(path.read_bytes())
    document["predicate"]["buildDefinition"]["externalParameters"]["settings"] |= change
    path.write_text(json.dumps(document))
    report = attest(built / "deb/kubelet_1.36.3-1_amd64.deb", base=workdir, rebuild=True)
    assert problem in findings(report)["rebuild"]


@pytest.mark.parametrize("settings", [[1, 2], "text", {"packages": 7}, {"packages": {"other": {"component": "etcd"}}}])
def test_settings_of_any_type_are_no_traceback(built, workdir, settings):
    def change(document: dict[str, Any]) -> None:
        document["predicate"]["buildDefinition"]["externalParameters"]["settings"] = settings

    assert "rebuild" in findings(attest(change_statement(built, change), base=workdir, rebuild=True))


@pytest.mark.parametrize("time", [2**70, True, "now"])
def test_a_time_that_no_package_can_have_is_no_traceback(built, workdir, time):
    def change(document: dict[str, Any]) -> None:
        document["predicate"]["buildDefinition"]["internalParameters"]["time"] = time

    assert "rebuild" in states(attest(change_statement(built, change), base=workdir, rebuild=True))


def test_equal_builds_give_equal_statements(built, workdir):
    before = {path.name: path.read_bytes() for path in (built / "attestations").iterdir()}
    shutil.rmtree(built / "attestations")
    build(workdir)
    assert {path.name: path.read_bytes() for path in (built / "attestations").iterdir()} == before
