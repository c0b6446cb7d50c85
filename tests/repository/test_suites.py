"""Removing, retaining, rolling back and copying packages."""

from __future__ import annotations

from kubeparcel.console import QuietLog
from kubeparcel.model import Format
from kubeparcel.repository import publisher, suites
from kubeparcel.repository.open_repository import Target
from kubeparcel.repository.package import Package
from tests.support import client_view
from tests.support.package_builders import five


def test_remove_retains_files_for_clients_with_old_indexes(publish, repo, newer, tmp_path):
    publish(options={"generations": 2})
    publish(newer)
    publisher.remove(["=1.36.3-1"], Target(str(repo)), QuietLog())
    removed = repo / "apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb"
    assert removed.exists()
    assert removed.name not in client_view.read_repository(repo)["apt stable"]
    for version in ("1.36.5", "1.36.6"):
        publish(five(tmp_path / version, version))
    assert not removed.exists()
    client_view.read_repository(repo)


def test_removing_all_packages_removes_the_suite(publish, repo):
    publish()
    publisher.remove(["*"], Target(str(repo)), QuietLog(), suite="v1.36")
    assert set(client_view.read_repository(repo)) == {"apt stable", "yum stable"}
    assert not (repo / "v1.36.repo").exists()


def test_retain_keeps_the_newest_versions_of_each_minor(publish, repo, tmp_path):
    for version in ("1.35.9", "1.35.10", "1.36.3"):
        publish(five(tmp_path / version, version))
    publisher.retain(1, Target(str(repo)), QuietLog())
    names = set(client_view.read_repository(repo)["apt stable"])
    assert {"kubelet_1.35.10-1_amd64.deb", "kubelet_1.36.3-1_amd64.deb"} <= names
    assert "kubelet_1.35.9-1_amd64.deb" not in names


def package(name: str, version: str) -> Package:
    return Package(Format.DEB, name, version, "amd64", version, 1, version, "", f"pool/{name}_{version}.deb")


def test_retain_counts_revisions_once_and_keeps_companions_of_kept_releases():
    kept = {
        *(package("kubelet", version) for version in ("1.34.8-2", "1.34.8-1", "1.34.9-1", "1.36.3-1")),
        *(package("kubernetes-cni", version) for version in ("1.7.1-1", "1.7.3-1", "1.7.4-1", "1.9.1-1")),
    }
    old = {package("kubelet", "1.34.7-1"), package("kubernetes-cni", "1.7.0-1"), package("kubernetes-cni", "1.7.2-1")}
    assert suites.retain({"stable": frozenset(kept | old)}, 2) == {"stable": frozenset(kept)}


def test_publish_retains_the_newest_versions_in_one_step(repo, tmp_path):
    for version in ("1.35.9", "1.36.3", "1.35.10", "1.35.10"):
        folder = five(tmp_path / version, version)
        publisher.publish(folder, Target(str(repo)), QuietLog(), retained=1, skip_layout_check=True)
    names = set(client_view.read_repository(repo)["apt stable"])
    assert {name for name in names if "kubelet" in name} == {
        "kubelet_1.35.10-1_amd64.deb",
        "kubelet_1.36.3-1_amd64.deb",
    }


def test_rollback_restores_an_earlier_generation(publish, repo, newer):
    publish()
    first = client_view.read_repository(repo)
    publish(newer)
    assert client_view.read_repository(repo) != first
    publisher.rollback(Target(str(repo)), QuietLog())
    assert client_view.read_repository(repo) == first
    publisher.rollback(Target(str(repo)), QuietLog(), generation=2)
    assert "kubelet_1.36.4-1_amd64.deb" in client_view.read_repository(repo)["apt stable"]


def test_copy_adds_the_packages_to_another_suite(publish, repo):
    publish(suite="testing")
    publisher.copy("testing", "blessed", Target(str(repo)), QuietLog())
    suites = client_view.read_repository(repo)
    assert suites["apt blessed"] == suites["apt testing"]
    assert suites["yum blessed"] == suites["yum testing"]
