"""The level runner: order, vital steps, errors, evidence, and the packages that it finds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import ToolError, UsageError
from kubeparcel.hosts import catalog
from kubeparcel.model import Format
from kubeparcel.reports.results import Check, Finding
from kubeparcel.store import Store
from kubeparcel.verify.level_packages import PackageSets
from kubeparcel.verify.level_runner import HostLevel, LevelRun, PlannedScenario, run_level, run_scenario
from kubeparcel.verify.scenario import HostContext, Scenario, Step

TRIXIE, FEDORA = (catalog.load_hosts().get(name) for name in ("trixie", "trixie-dnf"))


@dataclass
class FakeSession:
    """A session that only remembers which containers it was asked to keep."""

    log: QuietLog = field(default_factory=QuietLog)
    kept: list[object] = field(default_factory=list)

    def keep_for_debugging(self, container: object) -> None:
        self.kept.append(container)


@dataclass(frozen=True)
class FakeHosts:
    """Hosts without containers."""

    contexts: tuple[HostContext, ...]


def fake_context(name: str) -> HostContext:
    return HostContext(SimpleNamespace(name=name), None, label=name)


def passing(_: FakeHosts) -> Sequence[Finding]:
    return ()


def failing(_: FakeHosts) -> Sequence[Finding]:
    return (Finding("one", "two"),)


def raising(_: FakeHosts) -> Sequence[Finding]:
    raise ToolError("containerd does not respond.")


def plan(*steps: Step[FakeHosts], names: Sequence[str] = ("a",)) -> PlannedScenario[FakeHosts]:
    @contextmanager
    def start() -> Iterator[FakeHosts]:
        yield FakeHosts(tuple(fake_context(name) for name in names))

    return PlannedScenario(Scenario("scenario", steps), (TRIXIE,), start)


LEVEL: HostLevel[FakeHosts] = HostLevel("install", lambda *_: [])


def run(
    planned: PlannedScenario[FakeHosts], session: FakeSession | None = None, level: HostLevel[FakeHosts] = LEVEL
) -> Sequence[Check]:
    return run_scenario(level, session or FakeSession(), planned)


def test_run_scenario_continues_after_a_failed_step_and_stops_after_a_vital_one():
    checks = run(
        plan(
            Step("first", "", failing),
            Step("second", "", passing),
            Step("vital", "", failing, vital=True),
            Step("skipped", "", passing),
        )
    )
    assert [(check.name, check.passed) for check in checks] == [("first", False), ("second", True), ("vital", False)]


def test_run_scenario_reports_an_error_as_a_finding_with_a_hint():
    (check,) = run(plan(Step("step", "meaning", raising)))
    (finding,) = check.findings
    assert finding.expected == "the step completes"
    assert "containerd does not respond." in finding.found
    assert finding.hint == "inv verify --level install --on trixie --keep"
    assert (check.subject, check.host, check.meaning) == ("scenario", "trixie", "meaning")


def test_run_scenario_keeps_all_containers_of_a_failed_scenario_only():
    session = FakeSession()
    run(plan(Step("good", "", passing)), session)
    assert session.kept == []
    run(plan(Step("bad", "", failing), names=("a", "b")), session)
    assert [container.name for container in session.kept] == ["a", "b"]


def test_run_scenario_collects_evidence_of_failed_steps_and_labels_hosts():
    def record(hosts: FakeHosts) -> Sequence[Finding]:
        hosts.contexts[0].evidence["id"] = "root"
        return (Finding("x", "y"),) if failed else ()

    def collect(hosts: FakeHosts) -> None:
        hosts.contexts[1].evidence["journal"] = "died"

    level: HostLevel[FakeHosts] = HostLevel("cluster", lambda *_: [], collect)
    failed = False
    planned = plan(Step("step", "", record), names=("a", "b"))
    (check,) = run(planned, level=level)
    assert check.evidence == {"a: id": "root"}
    failed = True
    (check,) = run(planned, level=level)
    assert check.evidence == {"a: id": "root", "b: journal": "died"}


def test_run_level_returns_checks_in_planned_order_and_runs_only_the_named_scenarios():
    lock, order = threading.Lock(), []

    def item(host: catalog.Host, name: str) -> PlannedScenario[FakeHosts]:
        def step(_: FakeHosts) -> Sequence[Finding]:
            with lock:
                order.append((host.name, name))
            return ()

        @contextmanager
        def start() -> Iterator[FakeHosts]:
            yield FakeHosts((fake_context(host.name),))

        return PlannedScenario(Scenario(name, (Step(name, "", step),)), (host,), start)

    planned = [item(host, name) for host in (TRIXIE, FEDORA) for name in ("long", "short", "left")]
    level: HostLevel[FakeHosts] = HostLevel("install", lambda *_: planned, workers=lambda: 1)
    report = run_level(level, SimpleNamespace(session=FakeSession()), [TRIXIE, FEDORA], only=["long", "short"])
    assert [(check.host, check.name, check.not_run) for check in report.checks] == [
        (host, name, "not selected by --only" if name == "left" else "")
        for host in ("trixie", "trixie-dnf")
        for name in ("long", "short", "left")
    ]
    assert report.passed
    assert order == [("trixie", "long"), ("trixie-dnf", "long"), ("trixie", "short"), ("trixie-dnf", "short")]


def test_package_sets_are_read_once_per_format(package_sets, tmp_path):
    sets = PackageSets([package_sets["etc"].folder], tmp_path)
    assert sets.formats == {Format.DEB}
    packages = sets.require(TRIXIE)
    assert packages.names == package_sets["etc"].names
    assert sets.get(Format.DEB) is packages
    assert sets.get(Format.RPM) is None


def test_package_sets_without_a_hosts_format_name_the_host_and_the_format(package_sets, tmp_path):
    sets = PackageSets([package_sets["etc"].folder], tmp_path)
    with pytest.raises(UsageError, match="--on trixie-dnf: no rpm packages for this machine"):
        sets.require(FEDORA)


def test_level_run_without_previous_packages_has_none(package_sets, tmp_path):
    level_run = LevelRun.create(SimpleNamespace(folder=tmp_path), [package_sets["etc"].folder])
    assert level_run.previous.files == []
    assert level_run.previous.get(Format.DEB) is None


def test_packages_that_this_machine_has_not_built_are_known_by_their_digests(tmp_path):
    store = Store(tmp_path / "store")
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "kubelet_1.36.3-1_amd64.deb").write_bytes(b"built here")
    (dist / "kubectl_1.36.3-1_amd64.deb").write_bytes(b"from somewhere else")
    store.add_bytes(b"built here")
    packages = PackageSets([dist], tmp_path / "sets")
    assert [file.name for file in packages.not_in(store)] == ["kubectl_1.36.3-1_amd64.deb"]
