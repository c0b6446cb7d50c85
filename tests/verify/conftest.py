"""Fixtures of the tests of checks: valid packages, built once."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.model import Format
from tests.support.sample_packages import SamplePackages, sample_packages


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SamplePackages:
    """Return the packages in the layout `etc`."""
    return sample_packages(tmp_path_factory.mktemp("etc"))


@pytest.fixture(scope="session")
def official_samples(tmp_path_factory: pytest.TempPathFactory) -> SamplePackages:
    """Return the packages in the layout `official`."""
    return sample_packages(tmp_path_factory.mktemp("official"), layout="official")


@pytest.fixture(scope="session")
def valid_packages(samples: SamplePackages, tmp_path_factory: pytest.TempPathFactory) -> dict[str, BuiltPackage]:
    """Return every package, without mutation, by file name."""
    folder = tmp_path_factory.mktemp("good")
    return {name: samples.build(package, None, folder / name) for name, package in samples.manifests.items()}


@pytest.fixture(scope="session")
def package_sets(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, PackageSet]:
    """Debs in both layouts, and of a previous revision, as package sets."""
    sets = {}
    for name, flags in {"etc": {}, "official": {"layout": "official"}, "previous": {"revision": "1~0"}}.items():
        folder = tmp_path_factory.mktemp(name)
        samples = sample_packages(folder, **flags)
        files = [
            samples.write(package, None, folder / package.name)
            for package in samples.manifests.values()
            if package.format is Format.DEB
        ]
        sets[name] = load_package_sets(files, folder / "set")[Format.DEB]
    return sets
