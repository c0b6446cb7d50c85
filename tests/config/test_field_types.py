"""Ranges of Kubernetes versions."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from kubeparcel.config.field_types import KubernetesRange, VersionRange
from kubeparcel.model import Version

RANGE = TypeAdapter(KubernetesRange)


def parse_range(text: object) -> VersionRange:
    return RANGE.validate_python(text)


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
def test_range_contains_its_start_but_not_its_end(text, inside, outside):
    assert [v for v in inside + outside if parse_range(text).contains(Version.parse(v))] == inside


@pytest.mark.parametrize(("version", "contained"), [("1.37.0-rc.1", True), ("1.36.9-rc.1", False)])
def test_prerelease_counts_as_its_final_release(version, contained):
    assert parse_range(">=1.37.0").contains(Version.parse(version)) is contained


@pytest.mark.parametrize(
    "text",
    [
        *["<=1.28.0", ">1.28.0", "=1.28.0", "1.28.0", ">=1.28.0, <1.32.0", "~1.28.0"],
        *["<1.28.0 <1.32.0", ">= 1.28.0", 1.28, ["<1.28.0"], {"since": "1.28.0"}],
    ],
)
def test_invalid_range_is_rejected_with_an_example(text):
    with pytest.raises(ValidationError, match=r"expected one like '>=1\.28\.0 <1\.32\.0'"):
        parse_range(text)


def test_range_requires_complete_versions():
    with pytest.raises(ValidationError, match=r"Invalid version '1\.28'\. Expected a version like 1\.36\.3"):
        parse_range(">=1.28")


def test_empty_range_is_an_error():
    with pytest.raises(ValidationError, match="its end is not after its start"):
        parse_range(">=1.32.0 <1.28.0")


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ("<1.12.0", ">=1.12.0", False),
        ("<1.12.1", ">=1.12.0", True),
        (">=1.12.0 <1.25.0", ">=1.25.0 <1.28.0", False),
        (">=1.12.0 <1.25.1", ">=1.25.0 <1.28.0", True),
        ("", ">=1.99.0", True),
        (">=1.9.0 <1.10.0", ">=1.10.0", False),
    ],
)
def test_ranges_overlap_if_both_contain_a_version(first, second, overlap):
    assert parse_range(first).overlaps(parse_range(second)) is overlap
    assert parse_range(second).overlaps(parse_range(first)) is overlap
