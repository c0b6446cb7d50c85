"""The install and service levels with the real packages, on a deb host and an rpm host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Site
from tests.acceptance.engines import require_programs

HOSTS = ("trixie", "trixie-dnf")
Level = Mapping[str, Any]


@pytest.fixture(scope="module")
def levels(real: Site) -> Mapping[str, Level]:
    """The report of each level up to `service`, from a previous revision and from the other layout."""
    require_programs("mmdebstrap")
    document = real.json("verify", "--level", "service")
    assert document["passed"]
    return {level["level"]: level for level in document["levels"]}


def find_evidence(level: Level, host: str, name: str) -> Mapping[str, str]:
    return next(check["evidence"] for check in level["checks"] if (check["host"], check["name"]) == (host, name))


def test_packages_install_upgrade_and_purge_on_the_default_hosts(levels: Mapping[str, Level]) -> None:
    install = levels["install"]
    assert {check["host"] for check in install["checks"]} == set(HOSTS)
    assert install["count"] > 100
    names = {check["name"] for check in install["checks"]}
    assert {"upgrade", "downgrade", "nothing-left", "completions", "kubelet-alone"} <= names
    assert all(check["evidence"] for check in install["checks"] if check["name"] == "versions")


def test_all_scenarios_of_the_service_level_pass(levels: Mapping[str, Level]) -> None:
    checks = levels["service"]["checks"]
    assert {check["host"] for check in checks} == set(HOSTS)
    scenarios = {check["subject"] for check in checks}
    assert scenarios == {"node", "lifecycle", "layouts", "preset-disabled", "fips", "services"}
    assert {check["subject"] for check in checks if "not-run" in check} == {"fips", "services"}
    assert len(checks) > 80


@pytest.mark.parametrize("host", HOSTS)
def test_evidence_has_the_command_line_with_a_quoted_argument_as_one(levels: Mapping[str, Level], host: str) -> None:
    outputs = find_evidence(levels["service"], host, "quoting").values()
    text = next(output for output in outputs if output.startswith("/usr/bin/kubelet\n"))
    arguments = text.splitlines()
    assert arguments[1:4] == [
        "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
        "--kubeconfig=/etc/kubernetes/kubelet.conf",
        "--config=/var/lib/kubelet/config.yaml",
    ]
    assert arguments[-2:] == ["--max-pods=55", "--provider-id=two words"]


@pytest.mark.parametrize("host", HOSTS)
def test_evidence_has_the_settings_that_the_kubelet_reports(levels: Mapping[str, Level], host: str) -> None:
    evidence = find_evidence(levels["service"], host, "extra-args-last")
    configz = next(output for title, output in evidence.items() if "configz" in title)
    assert '"maxPods":55' in configz
    assert "ok" in find_evidence(levels["service"], host, "healthz").values()


def test_missing_engine_is_reported_with_the_command_to_install_it(real: Site, tmp_path: Path) -> None:
    result = real.run("verify", "--level", "install", "--engine", "docker", code=3, PATH=str(tmp_path))
    assert "docker is not installed." in result.stderr
    assert "apt install docker.io" in result.stderr
