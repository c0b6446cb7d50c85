"""The service level is worth what it catches: every broken package, by the check meant for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kubeparcel.hosts import catalog
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.parallel_runs import run_parallel
from kubeparcel.hosts.session import Session
from kubeparcel.model import Format
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.level_runner import run_scenario
from kubeparcel.verify.scenario import HostContext, Scenario
from kubeparcel.verify.service import level
from kubeparcel.verify.service.scenarios import scenarios
from tests.acceptance.conftest import Site
from tests.acceptance.host_mutants import HOSTS, layout_results, per_format
from tests.acceptance.lifecycle_mutants import LIFECYCLE_MUTANTS
from tests.acceptance.service_mutants import NODE_MUTANTS, SMALL, ServiceMutant
from tests.acceptance.service_packages import REAL, PackageWriter, create_writer
from tests.support.package_workshop import Draft, Mutate, workshop

NAMES = (*REAL, "kubectl", "kubernetes-cni", "cri-tools")
MUTANTS = (*NODE_MUTANTS, *LIFECYCLE_MUTANTS)
CASES = per_format(MUTANTS)


@dataclass(frozen=True)
class Machine:
    """One machine, and all faults of the packages on it."""

    scenario: str
    name: str
    format: Format

    @property
    def mutants(self) -> tuple[ServiceMutant, ...]:
        here = (self.scenario, self.name, self.format)
        return tuple(m for m, format_ in CASES if (m.scenario, m.machine, format_) == here)

    @property
    def real(self) -> bool:
        return not self.name.startswith(SMALL)


# Those that take longest first.
MACHINES = sorted(
    {Machine(mutant.scenario, mutant.machine, format_) for mutant, format_ in CASES},
    key=lambda one: (not one.real, one.scenario != "lifecycle", one.scenario, one.name, one.format),
)


NOW, BEFORE, OTHER, TINY = "now", "before", "other layout", "small"
ROWS = {NOW: ("1", "etc"), BEFORE: ("1~0", "etc"), OTHER: ("1~0", "official")}
HELD = {NOW: NAMES, BEFORE: NAMES, OTHER: REAL, TINY: NAMES}


@dataclass(frozen=True)
class SoundPackages:
    """Unbroken packages, by what they are for, and what they are made of."""

    writers: Mapping[str, PackageWriter]
    sets: Mapping[tuple[str, Format], PackageSet]


@pytest.fixture(scope="module")
def whole(real: Site, here: Session, tmp_path_factory) -> SoundPackages:
    folder = tmp_path_factory.mktemp("whole")
    benches = {
        key: create_writer(real, here.store, folder / key, *row) for key, row in ROWS.items()
    }
    benches[TINY] = PackageWriter(benches[NOW].small, benches[NOW].small)
    sets = {}
    for key, made in benches.items():
        for format_ in Format:
            place = folder / "written" / key / format_
            files = [made.write(name, format_, place / name) for name in HELD[key]]
            sets[key, format_] = load_package_sets(files, place / "set")[format_]
    return SoundPackages(benches, sets)


@pytest.fixture(scope="module")
def caught(here, whole, tmp_path_factory) -> Mapping[Machine, list[Check]]:
    """What the level says of each machine, side by side, each up to the last check it is for.

    Each plays what its checks need, not all that comes before them.
    """
    folder = tmp_path_factory.mktemp("mutants")

    def look(index: int) -> list[Check]:
        return _run_mutants(here, whole, MACHINES[index], folder / str(index))

    found = run_parallel(here, look, len(MACHINES), level.LEVEL.workers())
    return dict(zip(MACHINES, found, strict=True))


def _run_mutants(
    here: Session, whole: SoundPackages, machine: Machine, folder: Path
) -> list[Check]:
    now = NOW if machine.real else TINY
    begins = OTHER if machine.scenario == "layouts" else BEFORE
    sets = {key: whole.sets[key, machine.format] for key in (now, begins)}
    for name in NAMES:
        for broken, key in ((False, now), (True, begins)):
            faults = [m for m in machine.mutants if (m.package, m.in_previous) == (name, broken)]
            if faults:
                place = folder / name / key
                mutate = _all([mutant.mutate for mutant in faults])
                file = whole.writers[key].write(name, machine.format, place, mutate)
                sets[key] = _replace_package(
                    sets[key], file, Path(tempfile.mkdtemp(dir=here.folder))
                )
                file.unlink()
    scenario, first = _scenario(machine, sets[now], sets[begins])
    wanted = {name for m in machine.mutants for name in (*m.required_steps, m.check)}
    last = max(at for at, step in enumerate(scenario.steps) if step.name in wanted)
    steps = tuple(s for s in scenario.steps[: last + 1] if s.vital or s.name in wanted)
    host = catalog.load_hosts().get(HOSTS[machine.format])
    planned = level.plan_scenario(here, host, replace(scenario, steps=steps), sets[now], first)
    return run_scenario(level.LEVEL, here, planned)


def _all(mutations: Sequence[Mutate]) -> Mutate:
    def mutate(draft: Draft) -> None:
        for change in mutations:
            change(draft)

    return mutate


def _replace_package(good: PackageSet, file: Path, folder: Path) -> PackageSet:
    """A set with one package in another's place; the others are not read again."""
    one = load_package_sets([file], folder)[good.format]
    for name in set(good.files) - set(one.files):
        os.link(good.folder / name, one.folder / name)
    others = tuple(c for c in good.contents if c.name not in one.names)
    return replace(one, contents=tuple(sorted((*others, *one.contents), key=lambda c: c.name)))


def _scenario(
    machine: Machine, now: PackageSet, begins: PackageSet
) -> tuple[Scenario[HostContext], PackageSet | None]:
    """The scenario of a machine, and the packages that it begins with, if others."""
    before, other = (None, begins) if machine.scenario == "layouts" else (begins, None)
    rows = scenarios(now, before, other)
    return next(row for row in rows if row[0].name == machine.scenario)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.scenario} {m.name} {m.format}")
def test_broken_packages_are_caught_each_by_the_check_meant_for_it(caught, machine: Machine):
    checks = caught[machine]
    failed = [check for check in checks if not check.passed]
    wanted = {mutant.check for mutant in machine.mutants}
    assert {check.name for check in failed} == wanted, as_text([Report("service", tuple(checks))])
    assert len(wanted) == len(machine.mutants)
    assert all(check.evidence for check in failed)
    assert all(f.expected and f.found for check in failed for f in check.findings)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_layout_level_sees_all_that_is_not_hidden_from_it(
    mutant: ServiceMutant, tmp_path: Path
):
    shop = workshop(tmp_path / "shop", layout="official" if mutant.in_previous else "etc")
    assert layout_results(mutant, shop, tmp_path) == {mutant.hidden}


def test_every_check_has_a_mutant(whole):
    for format_ in Format:
        sets = (whole.sets[key, format_] for key in (NOW, BEFORE, OTHER))
        for scenario, _ in scenarios(*sets):
            caught = {m.check for m in MUTANTS if m.scenario == scenario.name}
            assert {step.name for step in scenario.steps} == caught
