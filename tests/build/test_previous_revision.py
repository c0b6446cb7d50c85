"""The packages that upgrades start from are made of the packages under test, not of the lock."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.build.lock import lockfile
from kubeparcel.build.manifests import finalize
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.previous_revision import PreviousRevision
from kubeparcel.build.release_build import assemble_packages
from kubeparcel.config import catalog, settings
from kubeparcel.lock_models import Binaries, Lock
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.reader import read_packages
from kubeparcel.store import Store
from tests.support.fake_sources import locked
from tests.support.one_release import write_lock
from tests.support.recording_log import RecordingLog

Build = Callable[..., list[PackageContents]]


@pytest.fixture
def build(workdir: Path, lock: Lock, binaries: Binaries, store: Store, log: RecordingLog, tmp_path: Path) -> Build:
    """Return a function that builds packages of 1.36.3; the lock is of 1.31.4 since."""
    write_lock(locked("1.31.4", "1.31.1", "1.5.1"), workdir / lockfile.NAME)

    def build_packages(**options: str) -> list[PackageContents]:
        folder = tmp_path / "packages"
        folder.mkdir()
        plans = plan_packages(settings.load_settings({"compression": "fast", **options}), lock, catalog.load())
        for built in assemble_packages([finalize(plan, lock, binaries, store) for plan in plans], store, log):
            (folder / Path(built.manifest.file_name).name).write_bytes(store.path(built.sha256).read_bytes())
        return read_packages(sorted(folder.iterdir()))

    return build_packages


@pytest.fixture
def builder(workdir: Path, log: RecordingLog) -> PreviousRevision:
    return PreviousRevision(settings.load_settings({}), log)


def versions(packages: Sequence[PackageContents]) -> dict[tuple[str, str], str]:
    return {(package.format, package.name): f"{package.version}-{package.revision}" for package in packages}


def programs(packages: Sequence[PackageContents]) -> set[tuple[str, str]]:
    return {(e.path, e.sha256) for package in packages for e in package.entries if e.mode & 0o111 and e.kind == "file"}


@pytest.mark.parametrize("cache", ["the same", "an empty one"])
def test_previous_revision_has_the_versions_and_binaries_of_the_packages(build, builder, tmp_path, monkeypatch, cache):
    packages = build(revision="3")
    if cache != "the same":
        monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "other-cache"))
    previous = read_packages(builder.build(packages, tmp_path / "previous"))
    assert versions(previous) == {key: f"{version}~0" for key, version in versions(packages).items()}
    assert versions(previous)["deb", "kubelet"] == "1.36.3-3~0"
    assert programs(previous) == programs(packages)


def test_previous_revision_has_only_the_packages_and_formats_under_test(build, builder, tmp_path):
    packages = [
        p for p in build() if (p.format, p.name) in {("deb", "kubelet"), ("deb", "kubectl"), ("rpm", "kubectl")}
    ]
    previous = read_packages(builder.build(packages, tmp_path / "previous"))
    assert versions(previous).keys() == versions(packages).keys()


@pytest.mark.parametrize("layout", ["etc", "official"])
def test_layout_is_that_of_the_packages(build, builder, tmp_path, layout):
    packages = build(layout=layout, format="deb")
    previous = {p.name: p for p in read_packages(builder.build(packages, tmp_path / "previous"))}
    for package in packages:
        assert {e.path for e in package.entries} == {e.path for e in previous[package.name].entries}
    other = {p.name: p for p in read_packages(builder.build_other_layout(packages, tmp_path / "other"))}
    assert other.keys() == {"kubeadm", "kubelet"}
    assert {e.path for e in other["kubeadm"].entries} != {e.path for e in previous["kubeadm"].entries}


def test_packages_of_others_have_no_previous_revision(build, builder, tmp_path):
    packages = [replace(package, entries=()) for package in build(format="deb")]
    assert builder.build(packages, tmp_path / "previous") == []
    assert builder.build_other_layout(packages, tmp_path / "other") == []
    assert not (tmp_path / "previous").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"version": "not a version"},
        {"version": 1},
        {"component": "containerd"},
        {"component": ["kubernetes"]},
        {"binaries": {"kubectl": "sha256:../../../etc/shadow"}},
        {"binaries": {"kubectl": "sha256:" + 64 * "0"}},
        {"binaries": {"../kubectl": "sha256:" + 64 * "0"}},
        {"binaries": {"kubectl": None}},
    ],
)
def test_packages_with_a_forged_record_have_no_previous_revision(build, builder, tmp_path, change):
    packages = [forge(p, change) if p.name == "kubectl" else p for p in build(format="deb")]
    previous = {package.name for package in read_packages(builder.build(packages, tmp_path / "previous"))}
    assert previous == {package.name for package in packages} - {"kubectl"}


def forge(package: PackageContents, change: dict[str, Any]) -> PackageContents:
    """Change fields of the package's record of provenance."""
    entries = tuple(
        replace(entry, data=json.dumps({**json.loads(entry.data or b""), **change}).encode())
        if entry.path.endswith("/provenance.json")
        else entry
        for entry in package.entries
    )
    return replace(package, entries=entries)
