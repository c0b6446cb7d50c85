"""The releases in a folder with several versions of packages, and which of them each level verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.console import QuietLog
from kubeparcel.errors import UsageError
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.verify import host_levels
from kubeparcel.verify.layout import level as layout
from kubeparcel.verify.levels import run_levels
from kubeparcel.verify.releases import Release, find_releases, select_release
from kubeparcel.verify.request import VerifyRequest

CORE = ("1.35.4-1", "1.36.3-1", "1.36.3-2", "1.36.3+acme.1-1", "1.37.0~rc.1-1")
OTHERS = {
    "cri-tools": ("1.34.0-1", "1.35.0-1", "1.35.1-1", "1.36.0-1"),
    "kubernetes-cni": ("1.8.0-1", "1.9.1-1"),
    "site": ("1.0.0-1",),
}


def folder_files() -> list[Path]:
    packages = [(name, version) for name in ("kubelet", "kubeadm") for version in CORE]
    packages += [(name, version) for name, versions in OTHERS.items() for version in versions]
    debs = [Path(f"dist/deb/{name}_{version}_amd64.deb") for name, version in packages]
    return [*debs, *(Path(f"dist/rpm/{name}-{version}.x86_64.rpm") for name, version in packages)]


def names(release: Release, suffix: str) -> set[str]:
    return {file.name.rpartition(".")[0] for file in release.files if file.suffix == suffix}


def test_each_release_has_the_packages_that_belong_to_it():
    releases = find_releases(folder_files(), catalog.load())
    assert [str(release.version) for release in releases] == [
        "1.35.4",
        "1.36.3",
        "1.36.3+acme.1",
        "1.37.0-rc.1",
        "None",
    ]
    site = "site_1.0.0-1_amd64"
    assert names(releases[0], ".deb") == {
        *("kubelet_1.35.4-1_amd64", "kubeadm_1.35.4-1_amd64"),
        *("cri-tools_1.35.1-1_amd64", "kubernetes-cni_1.8.0-1_amd64", site),
    }
    assert names(releases[1], ".rpm") == {
        *(f"{name}-1.36.3-{revision}.x86_64" for name in ("kubelet", "kubeadm") for revision in (1, 2)),
        *("cri-tools-1.36.0-1.x86_64", "kubernetes-cni-1.9.1-1.x86_64", "site-1.0.0-1.x86_64"),
    }
    assert "kubelet_1.36.3+acme.1-1_amd64" in names(releases[2], ".deb")
    assert names(releases[4], ".deb") == {"cri-tools_1.34.0-1_amd64", "cri-tools_1.35.0-1_amd64"}
    assert {file for release in releases for file in release.files} == set(folder_files())


def test_single_release_has_all_files():
    files = [Path("kubelet_1.36.3-1_amd64.deb"), Path("kubelet_1.36.3-2_amd64.deb"), Path("old name.deb")]
    assert find_releases(files, catalog.load()) == (Release(None, tuple(files)),)


@pytest.mark.parametrize(
    ("requested", "version"),
    [("1.35", "1.35.4"), ("v1.35.4", "1.35.4"), ("1.36.3+acme.1", "1.36.3+acme.1"), ("1.37.0-rc.1", "1.37.0-rc.1")],
)
def test_release_is_selected_by_its_version(requested, version):
    assert str(select_release(find_releases(folder_files(), catalog.load()), requested).version) == version


def test_unknown_release_is_an_error_that_names_the_others():
    with pytest.raises(UsageError, match=r"--kubernetes 1\.34: no packages of this release\.") as error:
        select_release(find_releases(folder_files(), catalog.load()), "1.34")
    assert "1.35.4, 1.36.3, 1.36.3+acme.1" in error.value.hint


@pytest.fixture
def verified(workdir, monkeypatch) -> dict[str, list[tuple[Path, ...]]]:
    """The files that each level got."""
    seen: dict[str, list[tuple[Path, ...]]] = {"layout": [], "hosts": []}

    def check(paths, *_):
        seen["layout"].append(tuple(paths))
        wrong = (Finding("a", "b"),) if any("1.35" in path.name for path in paths) else ()
        return Report("layout", (Check("same", "cri-tools"), Check("x", paths[0].name, findings=wrong)), 1.0)

    def run(request, *_):
        seen["hosts"].append(request.paths)
        return [Report("install", (Check("x", "x"),))]

    for file in (f"kubelet_{version}_amd64.deb" for version in ("1.35.4-1", "1.36.3-1")):
        (workdir / file).touch()
    monkeypatch.setattr(layout, "check_paths", check)
    monkeypatch.setattr(host_levels, "run_host_levels", run)
    return seen


def verify(workdir: Path, **options: str) -> list[Report]:
    request = VerifyRequest(**{"level": "layout", **options}, paths=(workdir,))
    return list(run_levels(request, load_settings({}), QuietLog(), None).reports)


def test_layout_level_verifies_each_release_in_turn(workdir, verified):
    (report,) = verify(workdir)
    assert [[path.name for path in paths] for paths in verified["layout"]] == [
        ["kubelet_1.35.4-1_amd64.deb"],
        ["kubelet_1.36.3-1_amd64.deb"],
    ]
    assert [check.name for check in report.checks] == ["same", "x", "x"]
    assert (report.passed, report.seconds) == (False, 2.0)


def test_hosts_get_the_newest_release_or_the_named_one(workdir, verified):
    verify(workdir, level="install", kubernetes="1.36")
    assert [path.name for path in verified["hosts"][0]] == ["kubelet_1.36.3-1_amd64.deb"]
    assert len(verified["layout"]) == 1
