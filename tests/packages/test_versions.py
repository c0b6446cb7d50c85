"""Versions sort as dpkg and rpm sort them."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest

from kubeparcel.packages.versions import deb_version_key, rpm_version_key, split_version

DEBS = (
    *("1.36.3-1", "1.36.3-2", "1.36.3", "1.36.3-0", "1.36.10-1", "1.37.0~rc.1-1", "1.37.0~rc.10-1"),
    *("1.37.0~alpha.2-1", "1.37.0~beta.0-1", "1.37.0-1", "1.37.0-1.1", "1.37.0-00", "1:1.2-1"),
    *("1.9.1-1", "1.09.1-1", "1.37.0+b-1", "1.36.3+fips-1", "1.36.4-1", "1.37.0a-1", "1.37.0.-1", "2:0-1", "1.37~~-1"),
)
RPMS = (
    *("1.36.3-1", "1.36.3-2", "1.36.10-1", "1.37.0~rc.1-1", "1.37.0~rc.10-1", "1.37.0~alpha.2-1"),
    *("1.37.0-1", "1.37.0^git1-1", "1.37.0.1-1", "1.37.0-1.1", "1.37.0a-1", "1.37.0.a-1"),
    *("1.36.3+fips-1", "1.36.4-1"),
    *("1.9.1-1", "1.09.1-1", "1.37.0-150500.1.1", "1.37.0-01", "1.37.0~~-1", "1.37-1"),
)


def comparison(first: object, second: object) -> int:
    """Return -1, 0 or 1."""
    return (first > second) - (first < second)


def test_deb_versions_sort_as_in_dpkg():
    if not shutil.which("dpkg"):
        pytest.skip("needs dpkg")
    for first, second in itertools.combinations(DEBS, 2):
        results = {
            sign: subprocess.run(["dpkg", "--compare-versions", first, sign, second], check=False)
            for sign in ("lt", "gt")
        }
        expected = results["lt"].returncode - results["gt"].returncode
        actual = comparison(deb_version_key(first), deb_version_key(second))
        assert actual == expected, (first, second)


def test_rpm_versions_sort_as_in_rpm():
    if not shutil.which("rpm"):
        pytest.skip("needs rpm")
    pairs = list(itertools.combinations(RPMS, 2))
    script = "".join(f'print(rpm.vercmp("{a}", "{b}") .. " ") ' for a, b in pairs)
    argv = ["rpm", "--eval", f"%{{lua: {script}}}"]
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    for (first, second), expected in zip(pairs, map(int, output.split()), strict=True):
        actual = comparison(rpm_version_key(first), rpm_version_key(second))
        assert actual == expected, (first, second)


@pytest.mark.parametrize(
    ("version", "parts"),
    [("1.2", (0, "1.2", None)), ("1.2-3", (0, "1.2", "3")), ("4:1.2-3-5", (4, "1.2-3", "5")), ("1.2-", (0, "1.2", ""))],
)
def test_a_version_is_split_at_its_first_colon_and_last_hyphen(version, parts):
    assert split_version(version) == parts
