"""The service level catches broken packages: each fault fails the check meant for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kubeparcel.hosts import catalog
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.session import Session, run_parallel
from kubeparcel.model import Format
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.level_runner import run_scenario
from kubeparcel.verify.scenario import HostContext, Scenario
from kubeparcel.verify.service import level
from kubeparcel.verify.service.level import FIPS, INSTALL, scenarios
from kubeparcel.verify.service.services import NAME
from kubeparcel.verify.service.services import scenario as services_scenario
from tests.acceptance.conftest import Site
from tests.acceptance.host_mutants import HOSTS, combine, layout_results, per_format
from tests.acceptance.lifecycle_mutants import LIFECYCLE_MUTANTS
from tests.acceptance.service_mutants import FIPS_MUTANTS, NODE_MUTANTS, SERVICE_MUTANTS, SMALL, ServiceMutant
from tests.acceptance.service_packages import REAL, PackageWriter, create_writer
from tests.acceptance.small_packages import SERVICES, small_samples
from tests.support.sample_packages import SamplePackages, sample_packages

NAMES = (*REAL, "kubectl", "kubernetes-cni", "cri-tools")
WITH_SERVICE = (*NAMES, *SERVICES)
MUTANTS = (*NODE_MUTANTS, *LIFECYCLE_MUTANTS, *FIPS_MUTANTS, *SERVICE_MUTANTS)
CASES = per_format(MUTANTS)


@dataclass(frozen=True)
class Machine:
    """One machine, and all faults of the packages on it."""

    scenario: str
    name: str
    format: Format

    @property
    def mutants(self) -> tuple[ServiceMutant, ...]:
        key = (self.scenario, self.name, self.format)
        return tuple(m for m, format_ in CASES if (m.scenario, m.machine, format_) == key)

    @property
    def needs_real_kubelet(self) -> bool:
        return not self.name.startswith(SMALL)


def _duration_key(machine: Machine) -> tuple[object, ...]:
    """Sort the machines that take longest first."""
    is_short = (not machine.needs_real_kubelet, machine.scenario != "lifecycle")
    return (*is_short, machine.scenario, machine.name, machine.format)


MACHINES = sorted({Machine(mutant.scenario, mutant.machine, format_) for mutant, format_ in CASES}, key=_duration_key)

CURRENT, PREVIOUS, OTHER_LAYOUT, TINY, TINY_SERVICE = "current", "previous", "other layout", "small", "small service"
VARIANTS = {CURRENT: ("1", "etc"), PREVIOUS: ("1~0", "etc"), OTHER_LAYOUT: ("1~0", "official")}
PACKAGES = {CURRENT: NAMES, PREVIOUS: NAMES, OTHER_LAYOUT: REAL, TINY: NAMES, TINY_SERVICE: WITH_SERVICE}


@dataclass(frozen=True)
class SoundPackages:
    """Packages without faults, by variant and format, and what writes each variant."""

    writers: Mapping[str, PackageWriter]
    sets: Mapping[tuple[str, Format], PackageSet]


@pytest.fixture(scope="module")
def sound(real: Site, session: Session, tmp_path_factory: pytest.TempPathFactory) -> SoundPackages:
    folder = tmp_path_factory.mktemp("sound")
    writers = {
        variant: create_writer(real, session.store, folder / variant, revision, layout)
        for variant, (revision, layout) in VARIANTS.items()
    }
    writers[TINY] = PackageWriter(writers[CURRENT].small, writers[CURRENT].small)
    services = small_samples(folder, "1", ",".join(SERVICES))
    writers[TINY_SERVICE] = PackageWriter(services, services)
    sets = {}
    for variant, writer in writers.items():
        for format_ in Format:
            target = folder / "written" / variant / format_
            files = [writer.write(name, format_, target / name) for name in PACKAGES[variant]]
            sets[variant, format_] = load_package_sets(files, target / "set")[format_]
    return SoundPackages(writers, sets)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, SamplePackages]:
    """The packages in each layout."""
    folder, packages = tmp_path_factory.mktemp("samples"), ",".join(SERVICES)
    return {name: sample_packages(folder / name, layout=name, packages=packages) for name in ("etc", "official")}


@pytest.fixture(scope="module")
def results(
    session: Session, sound: SoundPackages, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[Machine, list[Check]]:
    """The checks of each machine, up to the last one that a mutant is meant for.

    Each machine runs only the steps that its checks need.
    """
    folder = tmp_path_factory.mktemp("mutants")

    def run(index: int) -> list[Check]:
        return _run_machine(session, sound, MACHINES[index], folder / str(index))

    checks = run_parallel(session, run, len(MACHINES), level.LEVEL.workers())
    return dict(zip(MACHINES, checks, strict=True))


def _run_machine(session: Session, sound: SoundPackages, machine: Machine, folder: Path) -> list[Check]:
    current = CURRENT if machine.needs_real_kubelet else (TINY_SERVICE if machine.scenario == NAME else TINY)
    initial = OTHER_LAYOUT if machine.scenario == "layouts" else PREVIOUS
    sets = {variant: sound.sets[variant, machine.format] for variant in (current, initial)}
    for name in PACKAGES[current]:
        for in_previous, variant in ((False, current), (True, initial)):
            key = (name, in_previous)
            mutants = [m for m in machine.mutants if (m.package, m.in_previous) == key]
            if mutants:
                mutate = combine([mutant.mutate for mutant in mutants])
                target = folder / name / variant
                file = sound.writers[variant].write(name, machine.format, target, mutate)
                place = Path(tempfile.mkdtemp(dir=session.folder))
                sets[variant] = _replace_package(sets[variant], file, place)
                file.unlink()
    scenario, start = _scenario(machine, sets[current], sets[initial])
    required = {name for m in machine.mutants for name in (*m.required_steps, m.check)}
    last = max(i for i, step in enumerate(scenario.steps) if step.name in required)
    steps = tuple(s for s in scenario.steps[: last + 1] if s.vital or s.name in required)
    host = catalog.load_hosts().get(HOSTS[machine.format])
    scenario = replace(scenario, steps=steps)
    planned = level.plan_scenario(session, host, scenario, sets[current], start)
    return run_scenario(level.LEVEL, session, planned)


def _replace_package(packages: PackageSet, file: Path, folder: Path) -> PackageSet:
    """Return a set with one package replaced; the others are not read again."""
    new = load_package_sets([file], folder)[packages.format]
    for name in set(packages.files) - set(new.files):
        os.link(packages.folder / name, new.folder / name)
    others = tuple(contents for contents in packages.contents if contents.name not in new.names)
    contents = sorted((*others, *new.contents), key=lambda contents: contents.name)
    return replace(new, contents=tuple(contents))


def _scenario(
    machine: Machine, current: PackageSet, initial: PackageSet
) -> tuple[Scenario[HostContext], PackageSet | None]:
    """Return the scenario of a machine, and the packages that it starts with, if others."""
    previous, other = (None, initial) if machine.scenario == "layouts" else (initial, None)
    planned = scenarios(current, previous, other)
    return next((scenario, start) for scenario, start, _ in planned if scenario.name == machine.scenario)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.scenario} {m.name} {m.format}")
def test_each_fault_fails_its_check_and_no_other(results: Mapping[Machine, list[Check]], machine: Machine) -> None:
    checks = results[machine]
    failed = [check for check in checks if not check.passed]
    expected = {mutant.check for mutant in machine.mutants}
    text = as_text([Report("service", tuple(checks))])
    assert {check.name for check in failed} == expected, text
    assert len(expected) == len(machine.mutants)
    assert all(check.evidence for check in failed)
    assert all(f.expected and f.found for check in failed for f in check.findings)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_layout_level_catches_every_fault_that_is_not_hidden_from_it(
    mutant: ServiceMutant, samples: Mapping[str, SamplePackages], tmp_path: Path
) -> None:
    layout = "official" if mutant.in_previous else "etc"
    assert layout_results(mutant, samples[layout], tmp_path) == {mutant.hidden}


def test_every_check_has_a_mutant(sound: SoundPackages) -> None:
    for format_ in Format:
        sets = (sound.sets[variant, format_] for variant in (CURRENT, PREVIOUS, OTHER_LAYOUT))
        applicable = [scenario for scenario, _, not_run in scenarios(*sets) if not not_run]
        for scenario in (*applicable, FIPS, services_scenario(INSTALL, WITH_SERVICE)):
            checks = {mutant.check for mutant in MUTANTS if mutant.scenario == scenario.name}
            assert {step.name for step in scenario.steps} == checks
