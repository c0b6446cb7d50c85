"""The install level is worth what it catches: every broken package, by the check meant for it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kubeparcel.hosts import table
from kubeparcel.hosts.parallel import side_by_side
from kubeparcel.hosts.session import Session
from kubeparcel.model import Format
from kubeparcel.verify import install
from kubeparcel.verify.install.play import play
from kubeparcel.verify.install.scenarios import scenarios
from kubeparcel.verify.package_set import gather
from kubeparcel.verify.report import Check, Report
from tests.verify.workshop import workshop

from .host_mutants import HOSTS, HostMutant, cases, hidden_from_layout
from .install_mutants import MUTANTS
from .small_packages import small, write_set

CASES = cases(MUTANTS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Mapping[Format, tuple[Path, Path]]:
    """The unbroken packages, and those of the revision before, by format."""
    folder = tmp_path_factory.mktemp("whole")
    new, old = small(folder / "new", "2"), small(folder / "old", "1")
    return {
        format_: (
            write_set(new, format_, folder / f"new-{format_}"),
            write_set(old, format_, folder / f"old-{format_}"),
        )
        for format_ in Format
    }


@pytest.fixture(scope="module")
def caught(here, whole, tmp_path_factory) -> Mapping[tuple[str, Format], list[Check]]:
    """What the level says of each mutant, tried side by side, each up to the check it names."""
    folder = tmp_path_factory.mktemp("mutants")
    shop = small(folder / "shop", "2")

    def look(index: int) -> list[Check]:
        mutant, format_ = CASES[index]
        broken = write_set(shop, format_, folder / str(index), mutant.package, mutant.mutate)
        return _look(here, mutant, format_, broken, whole[format_][1])

    reports = side_by_side(here, look, len(CASES))
    names = [(mutant.name, format_) for mutant, format_ in CASES]
    return dict(zip(names, reports, strict=True))


def _look(here: Session, mutant: HostMutant, format_: Format, new: Path, old: Path) -> list[Check]:
    host = table.load().pick(HOSTS[format_])
    place = Path(tempfile.mkdtemp(dir=here.folder))
    packages = gather(sorted(new.iterdir()), place / "new")[format_]
    earlier = gather(sorted(old.iterdir()), place / "old")[format_]
    found = {row.name: row for row in scenarios(host, packages, earlier)}[mutant.scenario]
    names = [step.name for step in found.steps]
    steps = found.steps[: names.index(mutant.check) + 1]
    return play(here, host, here.image(host), replace(found, steps=steps), packages, earlier)


@pytest.mark.parametrize("format_", Format)
def test_whole_packages_pass_every_check(here, whole, format_):
    new, old = whole[format_]
    report = install.check(here, [table.load().pick(HOSTS[format_])], [new], [old])
    assert report.passed, report.as_text()
    assert len(report.checks) > 45


@pytest.mark.parametrize(
    ("mutant", "format_"), CASES, ids=[f"{mutant.name} ({f})" for mutant, f in CASES]
)
def test_a_broken_package_is_caught_by_the_check_meant_for_it(
    caught, mutant: HostMutant, format_: Format
):
    checks = caught[mutant.name, format_]
    last = checks[-1]
    assert (last.name, last.passed) == (mutant.check, False), Report("install", checks).as_text()
    assert last.evidence
    assert all(finding.expected and finding.found for finding in last.findings)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_layout_level_sees_all_that_is_not_hidden_from_it(mutant: HostMutant, tmp_path: Path):
    shop = workshop(tmp_path / "shop", revision="2")
    assert hidden_from_layout(mutant, shop, tmp_path) == {mutant.hidden}
