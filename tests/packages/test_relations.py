"""Versions sort as dpkg and rpm sort them, and fulfil wishes as they do."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest

from kubeparcel.model import Format
from kubeparcel.packages.relations import (
    Relation,
    deb_version_key,
    parse_relations,
    rpm_version_key,
    satisfies,
)

DEBS = (
    *("1.36.3-1", "1.36.3-2", "1.36.3", "1.36.3-0", "1.36.10-1", "1.37.0~rc.1-1", "1.37.0~rc.10-1"),
    *("1.37.0~alpha.2-1", "1.37.0~beta.0-1", "1.37.0-1", "1.37.0-1.1", "1.37.0-00", "1:1.2-1"),
    *("1.9.1-1", "1.09.1-1", "1.37.0+b-1", "1.37.0a-1", "1.37.0.-1", "2:0-1", "1.37~~-1"),
)
RPMS = (
    *("1.36.3-1", "1.36.3-2", "1.36.10-1", "1.37.0~rc.1-1", "1.37.0~rc.10-1", "1.37.0~alpha.2-1"),
    *(
        "1.37.0-1",
        "1.37.0^git1-1",
        "1.37.0.1-1",
        "1.37.0-1.1",
        "1.37.0a-1",
        "1.37.0.a-1",
        "1.9.1-1",
    ),
    *("1.09.1-1", "1.37.0-150500.1.1", "1.37.0-01", "1.37.0~~-1", "1.37-1"),
)


def order(first: object, second: object) -> int:
    """-1, 0 or 1."""
    return (first > second) - (first < second)  # type: ignore[operator]


def test_deb_versions_sort_as_in_dpkg() -> None:
    if not shutil.which("dpkg"):
        pytest.skip("needs dpkg")
    for first, second in itertools.combinations(DEBS, 2):
        said = {
            sign: subprocess.run(["dpkg", "--compare-versions", first, sign, second], check=False)
            for sign in ("lt", "gt")
        }
        theirs = said["lt"].returncode - said["gt"].returncode
        assert order(deb_version_key(first), deb_version_key(second)) == theirs, (first, second)


def test_rpm_versions_sort_as_in_rpm() -> None:
    if not shutil.which("rpm"):
        pytest.skip("needs rpm")
    pairs = list(itertools.combinations(RPMS, 2))
    rows = "".join(f'print(rpm.vercmp("{a}", "{b}") .. " ") ' for a, b in pairs)
    words = ["rpm", "--eval", f"%{{lua: {rows}}}"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for (first, second), theirs in zip(pairs, map(int, said.split()), strict=True):
        assert order(rpm_version_key(first), rpm_version_key(second)) == theirs, (first, second)


@pytest.mark.parametrize(
    ("form", "version", "operator", "wanted", "will_do"),
    [
        (Format.DEB, "1.36.3-1", ">=", "1.36.3", True),
        (Format.DEB, "1.36.3-1", "=", "1.36.3", False),
        (Format.DEB, "1.37.0~rc.1-1", ">=", "1.37.0", False),
        (Format.DEB, "1.37.0~rc.1-1", ">=", "1.37.0~", True),
        (Format.DEB, "1.36.3-1", "<<", "1.36.3-1", False),
        (Format.RPM, "1.36.3-1", "=", "1.36.3", True),
        (Format.RPM, "1.36.3-1", ">", "1.36.3", False),
        (Format.RPM, "1.37.0~rc.1-1", "<", "1.37.0", True),
        (Format.RPM, "1:1.0-1", ">=", "2.0", True),
        (Format.RPM, "1.0-1", "", "", True),
    ],
)
def test_version_satisfies_relation(
    form: Format, version: str, operator: str, wanted: str, will_do: bool
) -> None:
    assert satisfies(form, version, Relation("x", operator, wanted)) is will_do


def test_parse_relations_reads_deb_notation() -> None:
    assert parse_relations("a, b (>= 1.2) | c:any [amd64] <!x>, ,d(=2)") == (
        (Relation("a"),),
        (Relation("b", ">=", "1.2"), Relation("c")),
        (Relation("d", "=", "2"),),
    )
