"""Ranges of Kubernetes versions, as they are written."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from kubeparcel.config.field_types import KubernetesRange, VersionRange
from kubeparcel.model import Version

RANGE = TypeAdapter(KubernetesRange)


def ranged(text: object) -> VersionRange:
    found: VersionRange = RANGE.validate_python(text)
    return found


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("", ["1.11.0", "1.99.9"], []),
        (">=1.28.0", ["1.28.0", "1.40.3"], ["1.27.16"]),
        ("<1.12.0", ["1.11.10"], ["1.12.0", "1.36.3"]),
        (">=1.28.0 <1.32.0", ["1.28.0", "1.31.99"], ["1.27.9", "1.32.0"]),
        ("<1.32.0 >=1.28.0", ["1.28.0"], ["1.32.0"]),
        (">=v1.25.1", ["1.25.1"], ["1.25.0"]),
    ],
)
def test_a_range_holds_from_its_first_version_until_before_its_last(text, inside, outside):
    assert [v for v in inside + outside if ranged(text).contains(Version.parse(v))] == inside


@pytest.mark.parametrize(("version", "held"), [("1.37.0-rc.1", True), ("1.36.9-rc.1", False)])
def test_a_prerelease_counts_as_the_release_it_leads_to(version, held):
    assert ranged(">=1.37.0").contains(Version.parse(version)) is held


@pytest.mark.parametrize(
    "text",
    [
        *["<=1.28.0", ">1.28.0", "=1.28.0", "1.28.0", ">=1.28.0, <1.32.0", "~1.28.0"],
        *["<1.28.0 <1.32.0", ">= 1.28.0", 1.28, ["<1.28.0"], {"since": "1.28.0"}],
    ],
)
def test_what_is_not_a_range_is_told_how_to_write_one(text):
    with pytest.raises(ValidationError, match=r"write it like '>=1\.28\.0 <1\.32\.0'"):
        ranged(text)


def test_a_range_needs_whole_versions():
    with pytest.raises(ValidationError, match=r"Invalid version '1\.28'\. Expected a version like 1\.36\.3"):
        ranged(">=1.28")


def test_a_range_that_ends_before_it_begins_is_an_error():
    with pytest.raises(ValidationError, match="it ends before it begins"):
        ranged(">=1.32.0 <1.28.0")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("<1.12.0", ">=1.12.0", False),
        ("<1.12.1", ">=1.12.0", True),
        (">=1.12.0 <1.25.0", ">=1.25.0 <1.28.0", False),
        (">=1.12.0 <1.25.1", ">=1.25.0 <1.28.0", True),
        ("", ">=1.99.0", True),
        (">=1.9.0 <1.10.0", ">=1.10.0", False),
    ],
)
def test_ranges_overlap_when_a_version_lies_in_both(one, other, both):
    assert ranged(one).overlaps(ranged(other)) is both
    assert ranged(other).overlaps(ranged(one)) is both
