"""Passed checks are cached; failed ones and those with other expectations are not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.errors import DigestError
from kubeparcel.packages import reader
from tests.support.checked_packages import check_packages
from tests.support.sample_packages import PackageDraft, SamplePackages, sample_packages


@pytest.fixture
def samples(tmp_path: Path) -> SamplePackages:
    """Packages with a store that each test may damage."""
    return sample_packages(tmp_path)


def without_copyright(draft: PackageDraft) -> None:
    draft.remove("copyright")


def test_passed_checks_are_cached_and_still_reported(samples, tmp_path, monkeypatch):
    built = samples.build(samples.manifest("kubeadm", "deb"), None, tmp_path / "work")
    first = check_packages([built], samples.store, QuietLog())

    def unreadable(path: Path, cache: object = None) -> None:
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(reader, "read_package", unreadable)
    second = check_packages([built], samples.store, QuietLog())
    assert second.checks == first.checks


def test_another_expectation_invalidates_the_cache(samples, tmp_path):
    package = samples.manifest("kubectl", "deb")
    built = samples.build(package, None, tmp_path / "work")
    assert check_packages([built], samples.store, QuietLog()).passed

    other = dataclasses.replace(package, version="1.36.4")
    report = check_packages([dataclasses.replace(built, manifest=other)], samples.store, QuietLog())
    assert "identity" in {check.name for check in report.failed}


def test_failed_checks_are_not_cached(samples, tmp_path):
    built = samples.build(samples.manifest("kubectl", "deb"), without_copyright, tmp_path / "work")
    for _ in range(2):
        assert not check_packages([built], samples.store, QuietLog()).passed


def test_package_built_from_a_damaged_file_raises_digest_error(samples, tmp_path):
    package = samples.manifest("kubectl", "deb")
    built = samples.build(package, without_copyright, tmp_path / "work")
    damaged = next(f for f in package.files if f.path == "/usr/bin/kubectl")
    samples.store.path(damaged.sha256).write_bytes(b"damaged")
    with pytest.raises(DigestError, match="/usr/bin/kubectl"):
        check_packages([built], samples.store, QuietLog())
