"""Several releases: rows of kubeparcel.yaml, lists of versions, and which of them options select."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.config.releases import Releases, load_releases
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import KubeparcelError
from kubeparcel.model import Arch

ROWS = """\
arch: [amd64, arm64]
revision: 2
releases:
  - kubernetes: "1.35"
  - kubernetes: "1.36"
    arch: amd64
    version-suffix: +acme.1
    patches: {kubernetes: [fix.patch]}
  - kubernetes: "1.36"
    revision: 3
"""


@pytest.fixture
def rows(workdir: Path) -> Path:
    (workdir / "fix.patch").write_text("diff\n")
    (workdir / "kubeparcel.yaml").write_text(ROWS)
    return workdir


def versions(releases: Releases) -> list[str]:
    return [settings.kubernetes for settings in releases.selected]


@pytest.mark.parametrize("origin", ["option", "variable", "file"])
def test_versions_separated_by_commas_are_several_releases(workdir, monkeypatch, origin):
    options = {"kubernetes": "1.35, v1.36.3"} if origin == "option" else {}
    if origin == "variable":
        monkeypatch.setenv("KUBEPARCEL_KUBERNETES", "1.35,1.36.3")
    if origin == "file":
        (workdir / "kubeparcel.yaml").write_text('kubernetes: "1.35,1.36.3"\n')
    assert versions(load_releases(options)) == ["1.35", "1.36.3"]
    assert load_settings(options).out == "dist"


def test_rows_override_the_file_and_options_override_the_rows(rows):
    first, second, third = load_releases({"arch": "s390x"}).selected
    assert (first.arch, second.arch) == ((Arch.S390X,), (Arch.S390X,))
    first, second, third = load_releases({}).selected
    assert (first.arch, second.arch, third.arch) == ((Arch.AMD64, Arch.ARM64), (Arch.AMD64,), (Arch.AMD64, Arch.ARM64))
    assert (first.revision, third.revision) == ("2", "3")
    assert (first.variant().suffix, second.variant().suffix) == ("", "acme.1")


@pytest.mark.parametrize(
    ("requested", "selected", "numbers"),
    [
        ("1.35", ["1.35"], (0,)),
        ("1.35.4", ["1.35.4"], (0,)),
        ("1.36", ["1.36", "1.36"], (1, 2)),
        ("1.36.3+acme.1", ["1.36.3"], (1,)),
        ("1.36,1.35.1", ["1.35.1", "1.36", "1.36"], (0, 1, 2)),
    ],
)
def test_version_selects_rows(rows, requested, selected, numbers):
    releases = load_releases({"kubernetes": requested})
    assert (versions(releases), releases.numbers) == (selected, numbers)
    assert len(releases.settings) == 3


def test_stamped_version_names_a_patched_release_without_rows(workdir):
    (workdir / "fix.patch").write_text("diff\n")
    (workdir / "kubeparcel.yaml").write_text("version-suffix: +acme.1\npatches: {kubernetes: [fix.patch]}\n")
    assert versions(load_releases({"kubernetes": "1.36.3+acme.1"})) == ["1.36.3"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {"kubernetes": "1.34,"}, "--kubernetes: a version is empty"),
        ("", {"kubernetes": "1.36,1.36"}, "--kubernetes: 1.36 is there twice"),
        ("", {"kubernetes": "1.36,x"}, "--kubernetes: Invalid version 'x'."),
        ('kubernetes: "1.34,,1.35"\n', {}, "kubeparcel.yaml:1: kubernetes: a version is empty"),
        ("releases: []\n", {}, "kubeparcel.yaml:1: releases: is empty."),
        ("out: x\nreleases:\n", {}, "kubeparcel.yaml:2: releases:"),
        ("releases: 1.36\n", {}, "kubeparcel.yaml:1: releases: expected a list"),
        ("releases:\n  - '1.36'\n", {}, "kubeparcel.yaml:2: releases.0: expected `name: value` lines"),
        ("releases:\n  - {kubernetes: '1.36', out: x}\n", {}, "kubeparcel.yaml:2: releases: a release cannot have out"),
        ("releases:\n  - kubernetes: '1.36'\n    arhc: x\n", {}, 'yaml:3: arhc is not a setting. Did you mean "arch"?'),
        ("releases:\n  - kubernetes: 1.30\n", {}, 'yaml:2: kubernetes: write the version in quotes: "1.3"'),
        (
            "releases:\n  - kubernetes: '1.36'\n  - kubernetes: '1.36'\n",
            {},
            "yaml:1: releases: Kubernetes 1.36 is there twice, with the same settings.",
        ),
        (
            "version-suffix: +acme.1\nreleases:\n  - kubernetes: '1.36'\n",
            {},
            "kubeparcel.yaml:1: version-suffix: nothing is patched, so that no version would end in +acme.1.",
        ),
        (
            "releases:\n  - kubernetes: '1.36'\n",
            {"kubernetes": "1.35"},
            "--kubernetes 1.35: kubeparcel.yaml has no such",
        ),
        ("releases:\n  - kubernetes: '1.36'\n", {"kubernetes": "1.36,"}, "--kubernetes: a version is empty"),
    ],
)
def test_invalid_releases_are_named_with_their_place(workdir, text, options, message):
    if text:
        (workdir / "kubeparcel.yaml").write_text(text)
    with pytest.raises(KubeparcelError) as error:
        load_releases(options)
    assert error.value.exit_code == 2
    assert message in error.value.message


def test_suffix_for_all_releases_conflicts_with_rows_that_patch_nothing(workdir, monkeypatch):
    (workdir / "kubeparcel.yaml").write_text('releases:\n  - kubernetes: "1.36"\n')
    monkeypatch.setenv("KUBEPARCEL_VERSION_SUFFIX", "+acme.1")
    with pytest.raises(KubeparcelError, match="KUBEPARCEL_VERSION_SUFFIX: nothing is patched"):
        load_releases({})
