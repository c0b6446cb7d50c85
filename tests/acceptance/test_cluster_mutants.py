"""The cluster level catches broken packages: each fault fails the check meant for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from kubeparcel.hosts import catalog
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.engine import ContainerSpec, WaitTimeout
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.images.node_image import PACKAGES_FOLDER, NodeImage, install_packages
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.verify.cluster import actions, assertions, level, machines
from kubeparcel.verify.cluster.level import CLUSTER, UPGRADE
from kubeparcel.verify.cluster.machines import Cluster
from kubeparcel.verify.level_runner import LevelRun, run_level
from kubeparcel.verify.scenario import Scenario, Step
from tests.acceptance import cluster_mutants, upgrade_mutants
from tests.acceptance.broken_debs import break_debs
from tests.acceptance.cluster_mutants import ExpectedFailures
from tests.acceptance.conftest import Site

HOST = catalog.load_hosts().get("trixie")
TIMEOUTS: dict[str, tuple[ModuleType, str]] = {
    "network": (actions, "NODE_READY_TIMEOUT"),
    "upgraded": (actions, "NODE_READY_TIMEOUT"),
    "control-plane": (assertions, "HEALTHY_TIMEOUT"),
    "apply-healthy": (assertions, "HEALTHY_TIMEOUT"),
}
"""The checks that wait in vain for broken packages, and their timeouts."""

SHORT_TIMEOUT = 6.0
IMAGES = "localhost/kubeparcel-tests/broken"


@pytest.fixture(scope="module", autouse=True)
def committed_images(session: Session) -> Iterator[None]:
    """Commit the machines' images, which takes seconds; the archives of node images are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machines, "ensure_node_image", _commit_node_image)
        yield
    for image in session.engine.list_images(f"{IMAGES}:"):
        session.engine.remove_image(image)


def _commit_node_image(session: Session, host: Host, packages: PackageSet) -> str:
    node = NodeImage.for_host(session, host, packages)
    image = f"{IMAGES}:{node.digest}"
    if not session.engine.has_image(image):
        mounts = {packages.folder: PACKAGES_FOLDER}
        spec = ContainerSpec(node.base_image, "image", mounts=mounts, capabilities=("SYS_ADMIN",))
        with session.start_container(host, spec) as container:
            install_packages(container, node)
            session.engine.commit(container.name, image)
    return image


@pytest.fixture(scope="module")
def broken(real: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The debs whose faults share a cluster."""
    folder = tmp_path_factory.mktemp("broken")
    return break_debs(real.folder / "dist/deb", cluster_mutants.FAULTS, folder)


def test_each_fault_in_a_cluster_fails_its_check(
    session: Session, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = tuple(_unplugged_at_first(step) if step.name == "pods" else step for step in CLUSTER.steps)
    monkeypatch.setattr(level, "CLUSTER", _without_vital_steps(replace(CLUSTER, steps=steps)))
    report = _run(session, broken, only="cluster")
    _assert_failures(report, cluster_mutants.EXPECTED_FAILURES)


def test_each_fault_in_an_upgrade_fails_its_check(
    session: Session, real: Site, earlier: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(level, "UPGRADE", _without_vital_steps(UPGRADE))
    old, new = earlier.folder / "dist/deb", real.folder / "dist/deb"
    previous = break_debs(old, upgrade_mutants.PREVIOUS_FAULTS, tmp_path / "previous")
    current = break_debs(new, upgrade_mutants.new_faults(old), tmp_path / "new")
    report = _run(session, current, previous, only="upgrade")
    _assert_failures(report, upgrade_mutants.EXPECTED_FAILURES)


def test_machines_with_other_packages_than_the_previous_ones_fail_their_check(
    session: Session, broken: Path, earlier: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = LevelRun.create(session, [broken]).packages.require(HOST)
    monkeypatch.setattr(machines, "ensure_node_image", lambda *_: _commit_node_image(session, HOST, others))
    monkeypatch.setattr(level, "UPGRADE", replace(UPGRADE, steps=UPGRADE.steps[:1]))
    report = _run(session, broken, earlier.folder / "dist/deb", only="upgrade")
    _assert_failures(report, upgrade_mutants.OTHER_PACKAGES_FAILURE)


@pytest.mark.parametrize(
    ("scenario", "failures"),
    [
        (CLUSTER, (cluster_mutants.EXPECTED_FAILURES,)),
        (UPGRADE, (upgrade_mutants.EXPECTED_FAILURES, upgrade_mutants.OTHER_PACKAGES_FAILURE)),
    ],
    ids=lambda value: value.name if isinstance(value, Scenario) else "",
)
def test_every_check_of_a_cluster_has_a_mutant(
    scenario: Scenario[Cluster], failures: Sequence[ExpectedFailures]
) -> None:
    names = sorted(check for expected in failures for check in expected)
    assert names == sorted(step.name for step in scenario.steps)


def _run(session: Session, debs: Path, *previous: Path, only: str) -> Report:
    return run_level(level.LEVEL, LevelRun.create(session, [debs], previous), [HOST], only=[only])


def _assert_failures(report: Report, expected: ExpectedFailures) -> None:
    """Exactly the expected checks have failed, each with its texts and with evidence."""
    failed = {check.name: check for check in report.failed}
    assert set(failed) == set(expected), as_text([report])
    for name, texts in expected.items():
        assert _has_texts(failed[name], texts), as_text([report])
        assert failed[name].evidence


def _has_texts(check: Check, texts: Collection[str]) -> bool:
    findings = "\n".join(f"{f.expected}\n{f.found}\n{f.location}" for f in check.findings)
    assert all(f.expected and f.found for f in check.findings), findings
    return all(text in findings for text in texts)


def _without_vital_steps(scenario: Scenario[Cluster]) -> Scenario[Cluster]:
    """Return a scenario that continues after every failure, and waits only shortly."""
    steps = (
        _with_timeout(step, *TIMEOUTS[step.name], SHORT_TIMEOUT) if step.name in TIMEOUTS else step
        for step in scenario.steps
    )
    return replace(scenario, steps=tuple(replace(step, vital=False) for step in steps))


def _unplugged_at_first(step: Step[Cluster]) -> Step[Cluster]:
    """Return the step that waits for the pods: it fails, then repairs the plugin and waits until they run."""
    short = _with_timeout(step, actions, "NODE_READY_TIMEOUT", 12.0)

    def run(cluster: Cluster) -> Iterator[Finding]:
        with pytest.raises(WaitTimeout) as caught:
            list(short.run(cluster))
        for machine in cluster.machines:
            machine.container.write_file(cluster_mutants.PLUGGED, "")
        yield from step.run(cluster)
        raise caught.value

    return replace(step, run=run)


def _with_timeout(step: Step[Cluster], module: ModuleType, name: str, seconds: float) -> Step[Cluster]:
    """Return a step that runs with another timeout."""

    def run(cluster: Cluster) -> Iterable[Finding]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, seconds)
            yield from step.run(cluster)

    return replace(step, run=run)
