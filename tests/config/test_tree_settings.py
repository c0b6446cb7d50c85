"""Versions of git trees: from tags, commits, changes and variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.config.tree_settings import is_version_tag, require_requested, tree_version
from kubeparcel.errors import ConfigurationError, UnknownVersion
from kubeparcel.lock_models import BuildVariant, Checkout
from kubeparcel.model import Version, upstream_notation
from kubeparcel.packages.versions import deb_version_key, rpm_version_key

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FIPS, SUFFIX = BuildVariant(fips=True), BuildVariant(suffix="acme.2")


def checkout(tag: str, distance: int = 0, *changes: str, shallow: bool = False) -> Checkout:
    return Checkout(Path("/src/k8s"), COMMIT, "1" * 40, 1, tag, distance, shallow, changes)


@pytest.mark.parametrize(
    ("state", "variant", "expected"),
    [
        (checkout("v1.36.3"), BuildVariant(), "1.36.3"),
        (checkout("v1.36.3", 5), BuildVariant(), "1.36.3+5.g0123456789abcd"),
        (checkout("v1.37.0-rc.1", 5), BuildVariant(), "1.37.0-rc.1+5.g0123456789abcd"),
        (checkout("v1.36.3+acme.1"), BuildVariant(), "1.36.3+acme.1"),
        (checkout("v1.36.3+acme.1", 5), BuildVariant(), "1.36.3+acme.1.5.g0123456789abcd"),
        (checkout("v1.36.3", 0, "a.go"), BuildVariant(), "1.36.3+0.g0123456789abcd-dirty"),
        (checkout("v1.36.3", 5, "a.go"), FIPS, "1.36.3+fips.5.g0123456789abcd-dirty"),
        (checkout("v1.36.3", 5), SUFFIX, "1.36.3+acme.2"),
        (checkout("v1.36.3", 5, "a.go"), SUFFIX, "1.36.3+acme.2-dirty"),
        (checkout("v1.36.3", shallow=True), BuildVariant(), "1.36.3"),
        (checkout("v1.36.3", 5, shallow=True), SUFFIX, "1.36.3+acme.2"),
    ],
)
def test_version_is_that_of_the_nearest_tag_and_the_commits_since_then(state, variant, expected):
    version = tree_version(state, variant)
    assert str(version) == expected
    assert version.is_dirty == bool(state.changes)
    assert "-" not in version.package_version
    assert upstream_notation(version.package_version) == expected


def test_versions_sort_as_their_commits_for_dpkg_and_rpm():
    words = ["+2.gfff", "+2.gfff-dirty", "+10.g000", "+10.g000-dirty"]
    versions = ["1.36.3", *(Version.parse(f"1.36.3{word}").package_version for word in words), "1.36.4~rc.0", "1.36.4"]
    for key in (deb_version_key, rpm_version_key):
        assert sorted(set(versions), key=key) == versions


@pytest.mark.parametrize(
    ("state", "problem", "command"),
    [
        (checkout(""), "has no version tag, such as v1.36.3, at commit 0123456789ab", "git fetch --tags"),
        (checkout("", shallow=True), "is a shallow clone: the tag before", "git fetch --unshallow --tags"),
        (checkout("v1.36.3", 5, shallow=True), "how many commits 0123456789ab is after v1.36.3", "--unshallow"),
    ],
)
def test_unknown_version_names_the_command_that_fetches_what_is_missing(state, problem, command):
    with pytest.raises(UnknownVersion) as caught:
        tree_version(state, BuildVariant())
    assert problem in caught.value.message
    assert command in caught.value.hint


@pytest.mark.parametrize("requested", ["1.36.4", "1.35", "1.37"])
def test_another_requested_version_than_that_of_the_tree_is_an_error(requested):
    version = Version.parse("1.36.3+5.gabc")
    for accepted in ("stable", "1.36", "1.36.3", "1.36.3+5.gabc", ""):
        require_requested("kubernetes", accepted, version, checkout("v1.36.3"))
    with pytest.raises(
        ConfigurationError, match=rf"{requested} is requested, and the git tree /src/k8s is at 1\.36\.3"
    ):
        require_requested("kubernetes", requested, version, checkout("v1.36.3"))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        *((tag, True) for tag in ("v1.36.3", "v1.37.0-rc.1", "v1.36.3+k3s1")),
        *(
            (tag, False)
            for tag in ("v1.36.3-k3s1", "v1.36.3-lts.1", "v1.36", "1.36.3", "v1.36.3+fips.1", "v1.1.1+a.01")
        ),
    ],
)
def test_tags_whose_versions_sort_wrongly_are_not_used(tag, expected):
    assert is_version_tag(tag) is expected
