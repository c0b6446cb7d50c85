"""Damaged packages with a fixed seed, and all that once failed."""

import pytest

from tests.fuzz.runner import FINDINGS, fuzz, try_case
from tests.fuzz.targets import TARGETS

COUNTS = {"layout": 60, "deb-inside": 200, "elf": 200}
MAX_SECONDS = 6.0


@pytest.mark.parametrize("target", [*TARGETS])
def test_damaged_bytes_are_read_or_malformed(target):
    count, findings = fuzz(target, 1, MAX_SECONDS, COUNTS.get(target, 500))
    assert count > 10
    assert not findings, "\n".join(finding.trace for finding in findings.values())


@pytest.mark.parametrize("target", [*TARGETS])
def test_seeds_are_read(target):
    for data in TARGETS[target].seeds:
        TARGETS[target].read(data)


@pytest.mark.parametrize("file", sorted(FINDINGS.iterdir()), ids=lambda file: file.name)
def test_earlier_findings_stay_fixed(file):
    finding = try_case(file.name.partition(".")[0], file.read_bytes())
    assert not finding, finding
