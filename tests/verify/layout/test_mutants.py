"""A check is worth what it catches: each broken package is seen by the check meant for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kubeparcel.build.build_check import check_packages
from kubeparcel.console import QuietLog
from kubeparcel.reports.results import Report
from kubeparcel.verify.layout import level
from kubeparcel.verify.layout.checks import CHECKS
from tests.support import repack
from tests.support.mutants import MUTANTS, Mutant
from tests.support.package_workshop import Workshop

BOTH = ("deb", "rpm")
REPACKED = (
    (repack.change_bytes, "declared-digests", BOTH),
    (repack.two_frames, "compression", ("deb",)),
    (repack.without_md5sums, "verifiable", ("deb",)),
    (repack.cut_short, "readable", BOTH),
    (repack.renamed, "file-name", BOTH),
)
OF_THE_SET = {"one-owner-per-path"}
"""Seen only where two packages are looked at together: test_layout has that mutant."""

CASES = [
    pytest.param(mutant, format_, id=f"{mutant.name} ({mutant.package} {format_})")
    for mutant in MUTANTS
    for format_ in mutant.formats
]
REPACKED_CASES = [
    pytest.param(change, check, format_, id=f"{change.__name__} ({format_})")
    for change, check, formats in REPACKED
    for format_ in formats
]


def failed(report: Report) -> set[str]:
    return {check.name for check in report.failed}


@pytest.mark.parametrize(("mutant", "format_"), CASES)
def test_a_mutant_is_seen_by_the_check_meant_for_it(
    mutant: Mutant, format_: str, shop: Workshop, official_shop: Workshop, tmp_path: Path
):
    place = official_shop if mutant.official else shop
    package = place.package(mutant.package, format_)
    file = place.write(package, mutant.mutate, tmp_path)

    just_made = failed(check_packages([place.made(package, file)], place.store, QuietLog()))
    assert mutant.check in just_made

    by_catalog = failed(level.check_paths([file]))
    if not mutant.exact:
        assert mutant.check in by_catalog
    assert by_catalog <= {mutant.check, *mutant.also}


@pytest.mark.parametrize(("change", "check", "format_"), REPACKED_CASES)
def test_a_file_changed_afterwards_is_seen(
    change: Callable[[Path], None], check: str, format_: str, shop: Workshop, tmp_path: Path
):
    shop.write(shop.package("kubectl", format_), None, tmp_path / "out")
    (file,) = (tmp_path / "out").glob(f"*.{format_}")
    change(file)
    assert failed(level.check_paths([tmp_path / "out"])) == {check}


def test_every_check_has_a_mutant():
    caught = {mutant.check for mutant in MUTANTS} | {check for _, check, _ in REPACKED}
    assert {rule.name for rule in CHECKS} | {level.READABLE_CHECK} == caught | OF_THE_SET
