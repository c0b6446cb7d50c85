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

from kubeparcel.errors import KubeparcelError, UsageError
from kubeparcel.files import sha256_of
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.parallel_runs import default_workers, run_parallel
from kubeparcel.hosts.session import Session
from kubeparcel.model import Arch, Format
from kubeparcel.packages.find import find_package_files
from kubeparcel.packages.model import PackageContents
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.store import Store
from kubeparcel.verify.progress import OnCheck, show_progress
from kubeparcel.verify.scenario import Scenario, Step, Subject
from kubeparcel.verify.selection import NOT_SELECTED, Selection


class PackageSets:
    """Package files as sets, one per format; a format is read when it is first needed."""

    def __init__(self, paths: Sequence[Path], folder: Path) -> None:
        """Find the package files; raises UsageError if paths are given and none has any."""
        self.files = find_package_files(paths) if paths else []
        self._folder = folder
        self._sets: dict[Format, PackageSet | None] = {}

    @property
    def formats(self) -> frozenset[Format]:
        """The formats of the files, by their names."""
        return frozenset(Format(file.suffix.lstrip(".")) for file in self.files)

    def not_in(self, store: Store) -> list[Path]:
        """Return the files that a store does not have: this machine has not built them."""
        return [file for file in self.files if not store.path(sha256_of(file)).is_file()]

    def get(self, format_: Format) -> PackageSet | None:
        """Return the packages of a format for this machine, or None if there are none."""
        if format_ not in self._sets:
            self._sets[format_] = load_package_sets(self.files, self._folder, [format_]).get(format_)
        return self._sets[format_]

    @property
    def contents(self) -> tuple[PackageContents, ...]:
        """The packages of all formats for this machine."""
        sets = [self.get(format_) for format_ in sorted(self.formats)]
        return tuple(contents for packages in sets if packages for contents in packages.contents)

    def require(self, host: Host) -> PackageSet:
        """Return a host's packages; raises UsageError if there are none in its format."""
        packages = self.get(host.format)
        if packages is None:
            raise UsageError(
                f"--on {host.name}: no {host.format} packages for this machine ({Arch.native()}).",
                f"Build them with --format {host.format}, or choose another host: inv hosts",
            )
        return packages


@dataclass(frozen=True)
class LevelRun:
    """What every level of one command works with.

    `packages` are under test. `previous` are earlier packages to upgrade from, and `other_layout`
    earlier ones in the other layout; both may be empty. `previous_origin` is where `previous` come
    from, if not from the user.
    """

    session: Session
    packages: PackageSets
    previous: PackageSets
    other_layout: PackageSets
    previous_origin: str = ""

    @property
    def previous_label(self) -> str:
        """The version of most packages that upgrades start from, and their origin."""
        versions = [f"{package.version}-{package.revision}" for package in self.previous.contents]
        origin = f" ({self.previous_origin})" if self.previous_origin else ""
        return f"{max(versions, key=versions.count)}{origin}"

    def describe_previous(self) -> str:
        """Return which packages upgrades start from, such as `kubelet 1.36.3-1~0, ...`; empty if none."""
        names = sorted({f"{package.name} {package.version}-{package.revision}" for package in self.previous.contents})
        origin = f" ({self.previous_origin})" if self.previous_origin else ""
        return f"{', '.join(names)}{origin}" if names else ""

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
        return cls(
            session,
            PackageSets(packages, folder / "current"),
            PackageSets(previous, folder / "previous"),
            PackageSets(other_layout, folder / "other-layout"),
        )


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
    end of a journal. `workers` is how many scenarios run in parallel.
    """

    name: str
    plan: Callable[[LevelRun, Sequence[Host]], Sequence[PlannedScenario[Subject]]]
    collect_evidence: Callable[[Subject], None] = lambda _: None
    workers: Callable[[], int] = default_workers
    summary: str = ""
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
