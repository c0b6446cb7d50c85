"""The install level is worth what it catches: every broken package, by the check meant for it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_type_hints

import pytest

from kubeparcel.hosts import catalog
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.parallel_runs import run_parallel
from kubeparcel.hosts.session import Session
from kubeparcel.model import Format
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.install import level
from kubeparcel.verify.install.assertions import NoFindings
from kubeparcel.verify.install.scenarios import scenarios
from kubeparcel.verify.level_runner import LevelRun, run_level, run_scenario
from kubeparcel.verify.scenario import HostContext, Step
from tests.acceptance.host_mutants import HOSTS, layout_results, per_format
from tests.acceptance.install_mutants import PACKAGE_MUTANTS, InstallMutant
from tests.acceptance.small_packages import make_programs_runnable, small_workshop, write_set
from tests.acceptance.stage_mutants import STAGE_MUTANTS
from tests.support.package_workshop import Draft, Mutate, Workshop, workshop

MUTANTS = (*PACKAGE_MUTANTS, *STAGE_MUTANTS)
CASES = per_format(MUTANTS)
NEW, OLD = "2", "1"
"""The revision that is proved, and the one before."""


@dataclass(frozen=True)
class Machine:
    """One machine, and all faults of the packages on it."""

    scenario: str
    name: str
    format: Format

    @property
    def mutants(self) -> tuple[InstallMutant, ...]:
        return tuple(m for m, format_ in CASES if _machine(m, format_) == self)

    @property
    def checks(self) -> set[str]:
        return {mutant.check for mutant in self.mutants}


def _machine(mutant: InstallMutant, format_: Format) -> Machine:
    return Machine(mutant.scenario, mutant.machine or mutant.name, format_)


# Those that take longest first.
MACHINES = sorted(
    dict.fromkeys(_machine(*case) for case in CASES), key=lambda one: -len(one.mutants)
)


@dataclass(frozen=True)
class SoundPackages:
    """What unbroken packages are made of, and the packages, by revision and format."""

    shops: Mapping[str, Workshop]
    sets: Mapping[tuple[str, Format], Path]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> SoundPackages:
    folder = tmp_path_factory.mktemp("whole")
    shops = {revision: small_workshop(folder / revision, revision) for revision in (NEW, OLD)}
    sets = {
        (revision, format_): write_set(shop, format_, folder / f"{revision}-{format_}")
        for revision, shop in shops.items()
        for format_ in Format
    }
    return SoundPackages(shops, sets)


@pytest.fixture(scope="module")
def caught(here, whole, tmp_path_factory) -> Mapping[Machine, list[Check]]:
    """What the level says of each machine, side by side, each up to the last check it is for.

    Each plays what its checks need, not all that comes before them, and goes on when one fails.
    """
    folder = tmp_path_factory.mktemp("mutants")

    def look(index: int) -> list[Check]:
        return _run_mutants(here, whole, MACHINES[index], folder / str(index))

    found = run_parallel(here, look, len(MACHINES))
    return dict(zip(MACHINES, found, strict=True))


def _run_mutants(
    here: Session, whole: SoundPackages, machine: Machine, folder: Path
) -> list[Check]:
    host = catalog.load_hosts().get(HOSTS[machine.format])
    place = Path(tempfile.mkdtemp(dir=here.folder))
    new, old = (
        _broken_set(whole, revision, machine, folder / revision, place / revision)
        for revision in (NEW, OLD)
    )
    found = {row.name: row for row in scenarios(host, new, old)}[machine.scenario]
    last = max(at for at, step in enumerate(found.steps) if step.name in machine.checks)
    wanted = {name for m in machine.mutants for name in (*m.required_steps, m.check)}
    steps = tuple(
        replace(step, vital=False)
        for step in found.steps[: last + 1]
        if step.vital or step.name in wanted or _is_preparation(step)
    )
    planned = level.plan_scenario(here, host, replace(found, steps=steps), new, old)
    return run_scenario(level.LEVEL, here, planned)


def _broken_set(
    whole: SoundPackages, revision: str, machine: Machine, folder: Path, place: Path
) -> PackageSet:
    """All five packages, those in other packages' places that are broken on a machine."""
    shop, format_ = whole.shops[revision], machine.format
    files = {file.name: file for file in whole.sets[revision, format_].iterdir()}
    faults = [m for m in machine.mutants if m.in_previous == (revision == OLD)]
    for name in {mutant.package for mutant in faults}:
        changes = [make_programs_runnable, *(m.mutate for m in faults if m.package == name)]
        file = shop.write(shop.package(name, format_), _all(changes), folder / name)
        files[file.name] = file
    return load_package_sets(sorted(files.values()), place)[format_]


def _all(changes: Sequence[Mutate]) -> Mutate:
    def mutate(draft: Draft) -> None:
        for change in changes:
            change(draft)

    return mutate


def _is_preparation(step: Step[HostContext]) -> bool:
    """Whether a step is no judgement: mypy knows of its question that it never finds anything."""
    return get_type_hints(step.run)["return"] == NoFindings


@pytest.mark.parametrize("format_", Format)
def test_whole_packages_pass_every_check(here, whole, format_):
    new, old = whole.sets[NEW, format_], whole.sets[OLD, format_]
    host = catalog.load_hosts().get(HOSTS[format_])
    report = run_level(level.LEVEL, LevelRun.create(here, [new], [old]), [host])
    assert report.passed, as_text([report])
    assert len(report.checks) > 45


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.scenario} {m.name} {m.format}")
def test_broken_packages_are_caught_each_by_the_check_meant_for_it(caught, machine: Machine):
    checks = caught[machine]
    shown = as_text([Report("install", tuple(checks))])
    failed = {check.name: check for check in checks if not check.passed}
    assert set(failed) == machine.checks, shown
    for mutant in machine.mutants:
        assert mutant.expected_text in _found(failed[mutant.check]), shown
    assert len({(m.check, m.expected_text) for m in machine.mutants}) == len(machine.mutants)
    assert all(check.evidence for check in failed.values())
    assert all(f.expected and f.found for check in failed.values() for f in check.findings)


def _found(check: Check) -> str:
    return "\n".join(f"{f.expected}\n{f.found}\n{f.location}" for f in check.findings)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_layout_level_sees_all_that_is_not_hidden_from_it(
    mutant: InstallMutant, tmp_path: Path
):
    shop = workshop(tmp_path / "shop", revision=NEW)
    assert layout_results(mutant, shop, tmp_path) == {mutant.hidden}


def test_every_check_has_a_mutant(whole, tmp_path):
    for format_ in Format:
        new, old = (
            load_package_sets(sorted(whole.sets[revision, format_].iterdir()), tmp_path / revision)[
                format_
            ]
            for revision in (NEW, OLD)
        )
        for scenario in scenarios(catalog.load_hosts().get(HOSTS[format_]), new, old):
            judgements = {step.name for step in scenario.steps if not _is_preparation(step)}
            broken = {m.check for m, of in CASES if (m.scenario, of) == (scenario.name, format_)}
            assert judgements == broken, scenario.name
