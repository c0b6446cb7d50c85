"""The install level catches broken packages: each fault fails the check meant for it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_type_hints

import pytest

from kubeparcel.hosts import catalog
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.session import Session, run_parallel
from kubeparcel.model import Format
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.install import level
from kubeparcel.verify.install.level import scenarios
from kubeparcel.verify.install.steps import NoFindings
from kubeparcel.verify.level_runner import run_scenario
from kubeparcel.verify.scenario import HostContext, Step
from tests.acceptance.host_mutants import HOSTS, combine, layout_results, per_format
from tests.acceptance.install_mutants import PACKAGE_MUTANTS, InstallMutant
from tests.acceptance.small_packages import make_programs_runnable, small_samples, write_set
from tests.acceptance.stage_mutants import STAGE_MUTANTS
from tests.support.sample_packages import SamplePackages, sample_packages

MUTANTS = (*PACKAGE_MUTANTS, *STAGE_MUTANTS)
CASES = per_format(MUTANTS)
NEW, OLD = "2", "1"
"""The revision under test, and the previous one."""


@dataclass(frozen=True)
class Machine:
    """One machine, and all faults of the packages on it."""

    scenario: str
    name: str
    format: Format

    @property
    def mutants(self) -> tuple[InstallMutant, ...]:
        return tuple(mutant for mutant, format_ in CASES if _machine(mutant, format_) == self)

    @property
    def checks(self) -> set[str]:
        return {mutant.check for mutant in self.mutants}


def _machine(mutant: InstallMutant, format_: Format) -> Machine:
    return Machine(mutant.scenario, mutant.machine or mutant.name, format_)


# The machines that take longest come first.
MACHINES = sorted(dict.fromkeys(_machine(*case) for case in CASES), key=lambda machine: -len(machine.mutants))


@dataclass(frozen=True)
class SoundPackages:
    """Packages without faults, by revision and format, and the samples that write them."""

    samples_by_revision: Mapping[str, SamplePackages]
    folders: Mapping[tuple[str, Format], Path]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SoundPackages:
    folder = tmp_path_factory.mktemp("sound")
    samples_by_revision = {revision: small_samples(folder / revision, revision) for revision in (NEW, OLD)}
    folders = {
        (revision, format_): write_set(samples, format_, folder / f"{revision}-{format_}")
        for revision, samples in samples_by_revision.items()
        for format_ in Format
    }
    return SoundPackages(samples_by_revision, folders)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SamplePackages:
    return sample_packages(tmp_path_factory.mktemp("samples"), revision=NEW)


@pytest.fixture(scope="module")
def results(
    session: Session, sound: SoundPackages, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[Machine, list[Check]]:
    """The checks of each machine, up to the last one that a mutant is meant for.

    Each machine runs only the steps that its checks need, and continues after a failure.
    """
    folder = tmp_path_factory.mktemp("mutants")

    def run(index: int) -> list[Check]:
        return _run_machine(session, sound, MACHINES[index], folder / str(index))

    return dict(zip(MACHINES, run_parallel(session, run, len(MACHINES)), strict=True))


def _run_machine(session: Session, sound: SoundPackages, machine: Machine, folder: Path) -> list[Check]:
    host = catalog.load_hosts().get(HOSTS[machine.format])
    target = Path(tempfile.mkdtemp(dir=session.folder))
    new, old = (_package_set(sound, revision, machine, folder / revision, target / revision) for revision in (NEW, OLD))
    scenario = {row.name: row for row, not_run in scenarios(host, new, old) if not not_run}[machine.scenario]
    required = {name for m in machine.mutants for name in (*m.required_steps, m.check)}
    last = max(i for i, step in enumerate(scenario.steps) if step.name in machine.checks)
    steps = tuple(
        replace(step, vital=False)
        for step in scenario.steps[: last + 1]
        if step.vital or step.name in required or _is_preparation(step)
    )
    planned = level.plan_scenario(session, host, replace(scenario, steps=steps), new, old)
    return run_scenario(level.LEVEL, session, planned)


def _package_set(sound: SoundPackages, revision: str, machine: Machine, folder: Path, target: Path) -> PackageSet:
    """Return all five packages, with the machine's broken ones in place of sound ones."""
    samples, format_ = sound.samples_by_revision[revision], machine.format
    files = {file.name: file for file in sound.folders[revision, format_].iterdir()}
    mutants = [m for m in machine.mutants if m.in_previous == (revision == OLD)]
    for name in {mutant.package for mutant in mutants}:
        changes = [make_programs_runnable, *(m.mutate for m in mutants if m.package == name)]
        file = samples.write(samples.manifest(name, format_), combine(changes), folder / name)
        files[file.name] = file
    return load_package_sets(sorted(files.values()), target)[format_]


def _is_preparation(step: Step[HostContext]) -> bool:
    """Return whether a step checks nothing: its function is typed never to yield a finding."""
    return get_type_hints(step.run).get("return") == NoFindings


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.scenario} {m.name} {m.format}")
def test_each_fault_fails_its_check_and_no_other(results: Mapping[Machine, list[Check]], machine: Machine) -> None:
    checks = results[machine]
    text = as_text([Report("install", tuple(checks))])
    failed = {check.name: check for check in checks if not check.passed}
    assert set(failed) == machine.checks, text
    for mutant in machine.mutants:
        assert mutant.expected_text in _findings(failed[mutant.check]), text
    assert len({(m.check, m.expected_text) for m in machine.mutants}) == len(machine.mutants)
    assert all(check.evidence for check in failed.values())
    assert all(f.expected and f.found for check in failed.values() for f in check.findings)


def _findings(check: Check) -> str:
    return "\n".join(f"{f.expected}\n{f.found}\n{f.location}" for f in check.findings)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_layout_level_catches_every_fault_that_is_not_hidden_from_it(
    mutant: InstallMutant, samples: SamplePackages, tmp_path: Path
) -> None:
    assert layout_results(mutant, samples, tmp_path) == {mutant.hidden}


def test_every_check_has_a_mutant(sound: SoundPackages, tmp_path: Path) -> None:
    for format_ in Format:
        new, old = (
            load_package_sets(sorted(sound.folders[revision, format_].iterdir()), tmp_path / revision)[format_]
            for revision in (NEW, OLD)
        )
        applicable = (s for s, not_run in scenarios(catalog.load_hosts().get(HOSTS[format_]), new, old) if not not_run)
        for scenario in applicable:
            checks = {step.name for step in scenario.steps if not _is_preparation(step)}
            key = (scenario.name, format_)
            assert checks == {m.check for m, f in CASES if (m.scenario, f) == key}, scenario.name
