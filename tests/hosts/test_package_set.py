"""Reading package files as sets, one for each format."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kubeparcel.files import sha256_of
from kubeparcel.hosts.package_set import load_package_sets
from kubeparcel.model import Format
from tests.acceptance.small_packages import small_samples, write_set


def package_files(folder: Path, revision: str, format_: Format) -> list[Path]:
    """Write small packages with a revision."""
    folder.mkdir()
    samples = small_samples(folder / "samples", revision)
    return sorted(write_set(samples, format_, folder).iterdir())


@pytest.mark.parametrize("format_", Format)
def test_the_newest_package_of_each_name_is_loaded(tmp_path, format_):
    older = package_files(tmp_path / "older", "9", format_)
    newer = package_files(tmp_path / "newer", "10", format_)
    packages = load_package_sets([*newer, *older], tmp_path / "sets")[format_]
    assert {version.rpartition("-")[2] for version in packages.versions.values()} == {"10"}
    assert sorted(packages.files) == [file.name for file in newer]
    assert sorted(packages.digests) == sorted(sha256_of(file) for file in newer)


def test_files_of_other_formats_are_not_read(tmp_path):
    debs = package_files(tmp_path / "debs", "2", Format.DEB)
    damaged = tmp_path / "damaged.rpm"
    shutil.copyfile(debs[0], damaged)
    sets = load_package_sets([*debs, damaged], tmp_path / "sets", [Format.DEB])
    assert set(sets) == {Format.DEB}
    assert len(sets[Format.DEB].names) == len(debs)
