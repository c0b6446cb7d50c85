"""Run a level on hosts: plan its scenarios, run them in parallel, and collect their checks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Generic

from kubeparcel.errors import KubeparcelError
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.session import Session, default_workers, run_parallel
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.verify.level_packages import LevelPackages
from kubeparcel.verify.progress import OnCheck, show_progress
from kubeparcel.verify.scenario import Scenario, Step, Subject
from kubeparcel.verify.selection import NOT_SELECTED, Selection


@dataclass(frozen=True, kw_only=True)
class LevelRun(LevelPackages):
    """The packages of a command, and the session whose containers are their hosts."""

    session: Session

    @classmethod
    def create(
        cls,
        session: Session,
        packages: Sequence[Path],
        previous: Sequence[Path] = (),
        other_layout: Sequence[Path] = (),
    ) -> LevelRun:
        """Create a run from package files, or folders that have some."""
        folder = Path(tempfile.mkdtemp(dir=session.folder))
        return cls.on(session, LevelPackages.of(folder, packages, previous, other_layout))

    @classmethod
    def on(cls, session: Session, packages: LevelPackages) -> LevelRun:
        """Create a run of packages."""
        return cls(**vars(packages), session=session)


@dataclass(frozen=True)
class PlannedScenario(Generic[Subject]):
    """A scenario, the hosts that it runs on, and how to start them; or the reason why it does not run."""

    scenario: Scenario[Subject]
    hosts: tuple[Host, ...]
    start: Callable[[], AbstractContextManager[Subject]]
    not_run: str = ""

    @property
    def host_names(self) -> tuple[str, ...]:
        """The hosts' names, each once."""
        return tuple(dict.fromkeys(host.name for host in self.hosts))

    @property
    def label(self) -> str:
        """The hosts, as reports name them."""
        return " + ".join(self.host_names)


@dataclass(frozen=True)
class HostLevel(Generic[Subject]):
    """A level on hosts, as data.

    `plan` returns its scenarios, each host's longest first; `all_scenarios` those that exist for
    packages with some names. `collect_evidence` adds to the evidence of a failed step, such as the
    end of a journal. `workers` is how many scenarios run in parallel; those of several hosts run `together`.
    """

    name: str
    plan: Callable[[LevelRun, Sequence[Host]], Sequence[PlannedScenario[Subject]]]
    collect_evidence: Callable[[Subject], None] = lambda _: None
    workers: Callable[[], int] = default_workers
    summary: str = ""
    together: bool = False
    all_scenarios: Callable[[Sequence[str]], Sequence[Scenario[Subject]]] = lambda _: ()


def run_level(level: HostLevel[Subject], run: LevelRun, hosts: Sequence[Host], only: Sequence[str] = ()) -> Report:
    """Run a level's scenarios, or `only` those that some patterns match; return all checks by host.

    Each scenario that did not run has a check with the reason. Raises UsageError for packages that the
    level cannot test, ToolError when a host cannot be created or started.
    """
    started = time.monotonic()
    planned = [_select(level.name, item, Selection(tuple(only))) for item in level.plan(run, hosts)]
    by_host: dict[str, list[PlannedScenario[Subject]]] = {}
    for item in planned:
        if not item.not_run:
            by_host.setdefault(item.label, []).append(item)
    step_counts = {label: [len(item.scenario.steps) for item in items] for label, items in by_host.items()}
    # The longest scenarios of all hosts are started first.
    order = [item for items in zip_longest(*by_host.values()) for item in items if item]

    def run_item(index: int) -> list[Check]:
        item = order[index]
        with progress[item.label].scenario(item.scenario.name, len(item.scenario.steps)) as on_check:
            return run_scenario(level, run.session, item, on_check)

    with show_progress(run.session.log, level.name, step_counts) as progress:
        results = run_parallel(run.session, run_item, len(order), level.workers())
    by_item = dict(zip(map(id, order), results, strict=True))
    checks = (check for item in planned for check in by_item.get(id(item)) or [_not_run_check(item)])
    return Report(level.name, tuple(checks), time.monotonic() - started)


def _select(level: str, item: PlannedScenario[Subject], selection: Selection) -> PlannedScenario[Subject]:
    selected = selection.includes(level, *item.scenario.entry.names)
    return item if selected else replace(item, not_run=NOT_SELECTED)


def _not_run_check(item: PlannedScenario[Subject]) -> Check:
    scenario = item.scenario
    return Check(scenario.name, scenario.name, scenario.meaning, host=item.label, not_run=item.not_run)


def run_scenario(
    level: HostLevel[Subject], session: Session, planned: PlannedScenario[Subject], on_check: OnCheck = lambda _: None
) -> list[Check]:
    """Run a scenario on new hosts, up to a vital step that fails, and return its checks.

    Hosts on which a check has failed are kept if the session keeps any.
    """
    checks: list[Check] = []
    with planned.start() as subject:
        for step in planned.scenario.steps:
            check = _run_step(level, planned, step, subject)
            on_check(check)
            checks.append(check)
            if step.vital and not check.passed:
                break
        if any(not check.passed for check in checks):
            for context in subject.contexts:
                session.keep_for_debugging(context.container)
    return checks


def _run_step(
    level: HostLevel[Subject], planned: PlannedScenario[Subject], step: Step[Subject], subject: Subject
) -> Check:
    started = time.monotonic()
    for context in subject.contexts:
        context.evidence.clear()
    try:
        findings = tuple(step.run(subject))
    except KubeparcelError as error:
        findings = (Finding("the step completes", str(error)),)
    if findings:
        with suppress(KubeparcelError):
            level.collect_evidence(subject)
    hint = f"inv verify --level {level.name} --on {','.join(planned.host_names)} --keep"
    return Check(
        name=step.name,
        subject=planned.scenario.name,
        meaning=step.meaning,
        findings=tuple(Finding(f.expected, f.found, f.location, f.hint or hint) for f in findings),
        host=planned.label,
        seconds=time.monotonic() - started,
        evidence=_evidence(subject),
        packages=subject.contexts[0].describe_packages(previous=step.previous) if subject.contexts else "",
    )


def _evidence(subject: Subject) -> dict[str, str]:
    """Return what all hosts have recorded; with several, titles begin with their labels."""
    if len(subject.contexts) == 1:
        return dict(subject.contexts[0].evidence)
    return {
        f"{context.label}: {title}": output
        for context in subject.contexts
        for title, output in context.evidence.items()
    }
