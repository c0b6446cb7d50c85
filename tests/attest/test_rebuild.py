"""Packages are built again from their statements."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attest.conftest import PASSED, attest, build, change_statement, findings, parameters, states


def test_a_signed_rpm_is_built_again(published):
    (rpm,) = published.glob("yum/stable/packages/kubelet-*.rpm")
    report = attest(rpm, key=published / "key.pem", rebuild=True)
    assert states(report)["rebuild"] == PASSED


def rebuild_finding(built: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Change the build parameters in a statement, and return what the rebuild finds; empty if nothing."""
    package = change_statement(built, lambda document: change(parameters(document)))
    report = attest(package, rebuild=True)
    assert "rebuild" in states(report)
    return findings(report).get("rebuild", "")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"maintainer": "Eve <eve@example.invalid>"}, "maintainer; first at byte "),
        ({"compression": "none"}, "the settings in its statement are invalid"),
        ({"revision": "7"}, "do not give a package of this name"),
    ],
)
def test_other_settings_give_another_package_or_none(built, settings, problem):
    assert problem in rebuild_finding(built, lambda build: build["externalParameters"]["settings"].update(settings))


@pytest.mark.parametrize("settings", [[1, 2], "text", {"packages": 7}, {"packages": {"other": {"component": "etcd"}}}])
def test_settings_of_any_type_cause_no_traceback(built, settings):
    assert rebuild_finding(built, lambda build: build["externalParameters"].update(settings=settings))


@pytest.mark.parametrize("time", [2**70, True, "now"])
def test_a_time_that_no_package_can_have_causes_no_traceback(built, time):
    rebuild_finding(built, lambda build: build["internalParameters"].update(time=time))


def test_equal_builds_give_equal_statements(built, workdir):
    before = {path.name: path.read_bytes() for path in (built / "attestations").iterdir()}
    shutil.rmtree(built / "attestations")
    build(workdir)
    assert {path.name: path.read_bytes() for path in (built / "attestations").iterdir()} == before
