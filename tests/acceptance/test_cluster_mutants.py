"""The cluster level is worth what it catches: broken packages, each fault by the check for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from kubeparcel.hosts import catalog
from kubeparcel.hosts.session import Session
from kubeparcel.images.node_image import ensure_node_image
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.verify.cluster import actions, assertions, level, machines
from kubeparcel.verify.cluster.machines import Cluster
from kubeparcel.verify.cluster.scenarios import CLUSTER, UPGRADE
from kubeparcel.verify.level_runner import LevelRun, run_level
from kubeparcel.verify.scenario import Scenario, Step
from tests.acceptance import cluster_mutants, upgrade_mutants
from tests.acceptance.broken_debs import break_debs
from tests.acceptance.cluster_mutants import (
    FAULTS,
    UNPLUGGED_FAILURE,
    UNPLUGGED_FAULTS,
    ExpectedFailure,
)
from tests.acceptance.conftest import Site
from tests.acceptance.upgrade_mutants import OTHER_PACKAGES_FAILURE

HOST = "trixie"
IN_VAIN: dict[str, tuple[ModuleType, str]] = {
    "network": (actions, "NODE_READY_TIMEOUT"),
    "upgraded": (actions, "NODE_READY_TIMEOUT"),
    "control-plane": (assertions, "HEALTHY_TIMEOUT"),
    "apply-healthy": (assertions, "HEALTHY_TIMEOUT"),
}
"""The checks that wait for what will not come, and where it says how long."""

HASTE = 6.0


@pytest.fixture(scope="module")
def careless(real: Site, tmp_path_factory) -> Path:
    """The debs whose faults share a cluster."""
    return break_debs(real.folder / "dist/deb", FAULTS, tmp_path_factory.mktemp("careless"))


def test_careless_packages_are_caught_each_fault_by_its_check(here, careless, monkeypatch):
    monkeypatch.setattr(level, "CLUSTER", _whatever_fails(CLUSTER))
    report = _check(here, careless, only="cluster")
    _caught(report, cluster_mutants.EXPECTED_FAILURES)


def test_a_plugin_that_adds_no_pod_to_the_network_is_caught(here, real, tmp_path, monkeypatch):
    last = [step.name for step in CLUSTER.steps].index("pods")
    needed = [step for step in CLUSTER.steps[: last + 1] if step.vital]
    needed[-1] = _hasty(needed[-1], actions, "NODE_READY_TIMEOUT", 12.0)
    monkeypatch.setattr(level, "CLUSTER", replace(CLUSTER, steps=tuple(needed)))
    broken = break_debs(real.folder / "dist/deb", UNPLUGGED_FAULTS, tmp_path)
    _caught(_check(here, broken, only="cluster"), [UNPLUGGED_FAILURE])


def test_an_upgrade_by_careless_packages_is_caught_each_fault_by_its_check(
    here, real, before, tmp_path, monkeypatch
):
    monkeypatch.setattr(level, "UPGRADE", _whatever_fails(UPGRADE))
    old, now = before.folder / "dist/deb", real.folder / "dist/deb"
    earlier = break_debs(old, upgrade_mutants.PREVIOUS_FAULTS, tmp_path / "before")
    newer = break_debs(now, upgrade_mutants.new_faults(old), tmp_path / "newer")
    _caught(_check(here, newer, earlier, only="upgrade"), upgrade_mutants.EXPECTED_FAILURES)


def test_an_upgrade_from_other_packages_than_the_earlier_ones_is_caught(
    here, careless, before, tmp_path, monkeypatch
):
    host = catalog.load_hosts().get(HOST)
    others = LevelRun.create(here, [careless]).packages.require(host)
    monkeypatch.setattr(
        machines, "ensure_node_image", lambda *_: ensure_node_image(here, host, others)
    )
    monkeypatch.setattr(level, "UPGRADE", replace(UPGRADE, steps=UPGRADE.steps[:1]))
    report = _check(here, careless, before.folder / "dist/deb", only="upgrade")
    _caught(report, [OTHER_PACKAGES_FAILURE])


@pytest.mark.parametrize(
    ("scenario", "caught"),
    [
        (CLUSTER, (*cluster_mutants.EXPECTED_FAILURES, UNPLUGGED_FAILURE)),
        (UPGRADE, (*upgrade_mutants.EXPECTED_FAILURES, OTHER_PACKAGES_FAILURE)),
    ],
    ids=lambda value: value.name if isinstance(value, Scenario) else "",
)
def test_every_check_of_a_cluster_has_a_mutant(scenario, caught: Sequence[ExpectedFailure]):
    assert sorted(row.check for row in caught) == sorted(step.name for step in scenario.steps)


def _check(here: Session, debs: Path, *earlier: Path, only: str) -> Report:
    run = LevelRun.create(here, [debs], earlier)
    return run_level(level.LEVEL, run, [catalog.load_hosts().get(HOST)], only=[only])


def _caught(report: Report, wanted: Collection[ExpectedFailure]) -> None:
    """Exactly these checks have failed, and each has found what is meant, with evidence."""
    failed = {check.name: check for check in report.failed}
    assert set(failed) == {row.check for row in wanted}, as_text([report])
    for row in wanted:
        assert _all_said(failed[row.check], row.texts), as_text([report])
        assert failed[row.check].evidence


def _all_said(check: Check, words: Collection[str]) -> bool:
    found = "\n".join(f"{f.expected}\n{f.found}\n{f.location}" for f in check.findings)
    assert all(f.expected and f.found for f in check.findings), found
    return all(word in found for word in words)


def _whatever_fails(scenario: Scenario[Cluster]) -> Scenario[Cluster]:
    """A scenario that goes on after every failure, and waits no longer than it must."""
    rows = (
        _hasty(step, *IN_VAIN[step.name], HASTE) if step.name in IN_VAIN else step
        for step in scenario.steps
    )
    return replace(scenario, steps=tuple(replace(step, vital=False) for step in rows))


def _hasty(step: Step[Cluster], module: ModuleType, limit: str, seconds: float) -> Step[Cluster]:
    """A step with less patience."""
    question: Callable[[Cluster], Iterator[Finding]] = step.run

    def asked(cluster_: Cluster) -> Iterator[Finding]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, limit, seconds)
            yield from question(cluster_)

    return replace(step, question=asked)
