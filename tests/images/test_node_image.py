"""The names, added files and archives of node images."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts import catalog
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.images import export, node_image
from kubeparcel.images.export import ExportResult, ImageArchive
from kubeparcel.images.node_image import NodeImage
from kubeparcel.model import Format
from tests.acceptance.small_packages import small_samples, write_set
from tests.support.sample_packages import sample_packages

TRIXIE = catalog.load_hosts().get("trixie")
BASE_IMAGE = "localhost/kubeparcel/trixie-node:1"


@pytest.fixture
def packages(tmp_path):
    """Return a function that creates a set of small packages with a revision."""

    def make(revision: str = "2") -> PackageSet:
        folder = tmp_path / revision
        folder.mkdir()
        files = write_set(small_samples(folder / "shop", revision), Format.DEB, folder)
        return load_package_sets(sorted(files.iterdir()), folder / "laid")[Format.DEB]

    return make


def test_the_name_has_the_version_and_depends_on_packages_and_base_image(packages):
    packages_2, packages_3 = packages("2"), packages("3")
    names = {
        NodeImage(TRIXIE, packages_2, BASE_IMAGE).name,
        NodeImage(TRIXIE, packages_3, BASE_IMAGE).name,
        NodeImage(TRIXIE, packages_2, "localhost/kubeparcel/trixie-node:2").name,
    }
    assert len(names) == 3
    assert all(n.startswith("localhost/kubeparcel/trixie-kubernetes:1.36.3-") for n in names)
    assert NodeImage(TRIXIE, packages_2, BASE_IMAGE).name in names


def test_the_tag_of_a_patched_release_has_an_underscore_as_those_of_kubernetes(packages):
    """Tags of images have no plus."""
    image = NodeImage(TRIXIE, packages(), BASE_IMAGE)
    contents = [dataclasses.replace(c, version=f"{c.version}+acme.1") for c in image.packages.contents]
    image = dataclasses.replace(image, packages=dataclasses.replace(image.packages, contents=tuple(contents)))
    assert "-kubernetes:1.36.3_acme.1-" in image.name


def test_the_name_depends_on_the_root_filesystem_rules(packages, monkeypatch):
    image = NodeImage(TRIXIE, packages(), BASE_IMAGE)
    name = image.name
    monkeypatch.setattr(node_image, "RULES", node_image.RootFilesystemRules(exclude=("srv",)))
    assert image.name != name


def test_the_name_depends_on_whether_packages_are_held(packages):
    image = NodeImage(TRIXIE, packages(), BASE_IMAGE)
    assert image.name != NodeImage(TRIXIE, image.packages, BASE_IMAGE, hold=True).name


def test_containerd_is_configured_for_both_cgroup_versions(packages):
    files = NodeImage(TRIXIE, packages(), BASE_IMAGE).added_files("registry.k8s.io/pause:3.10.2")
    for version, systemd in ((1, "false"), (2, "true")):
        text = files[f"/usr/lib/kubeparcel/containerd-cgroup-v{version}.toml"]
        assert 'bin_dir = "/opt/cni/bin"' in text
        assert 'sandbox_image = "registry.k8s.io/pause:3.10.2"' in text
        assert f"SystemdCgroup = {systemd}" in text
    unit = files["/etc/systemd/system/kubeparcel-node.service"]
    assert "Before=containerd.service kubelet.service" in unit
    assert all(f"{node_image.NODE_FOLDER}/{name}" in files for name in ("runtime.sh", "cgroup-v1.sh"))


def test_containerd_searches_plugins_where_the_packages_have_them(tmp_path):
    shop = sample_packages(tmp_path / "shop", cni_bin_dir="/usr/libexec/cni")
    packages = load_package_sets(sorted(write_set(shop, Format.DEB, tmp_path).iterdir()), tmp_path / "laid")
    files = NodeImage(TRIXIE, packages[Format.DEB], BASE_IMAGE).added_files("")
    assert 'bin_dir = "/usr/libexec/cni"' in files["/usr/lib/kubeparcel/containerd-cgroup-v2.toml"]


def test_missing_packages_are_listed(packages, tmp_path):
    complete = packages()
    incomplete = PackageSet(Format.DEB, complete.folder, complete.contents[:2])
    with pytest.raises(UsageError, match=r"trixie needs deb packages.*kubelet, kubectl, kubernetes-cni"):
        export.require_all_packages(TRIXIE, incomplete, [tmp_path])
    with pytest.raises(UsageError, match=r"missing in .*cri-tools"):
        export.require_all_packages(TRIXIE, None, [tmp_path])
    export.require_all_packages(TRIXIE, complete, [tmp_path])


def test_the_result_shows_the_archives_and_the_next_command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    file = Path.cwd() / "dist/images/x.tar"
    archive = ImageArchive(TRIXIE, "localhost/x:1", file, "ab", 621_000_000, {"kubelet": "1.36.3-1"}, True)
    text = ExportResult((archive,), "podman", loaded=False).as_text()
    assert "621.0 MB  dist/images/x.tar" in text
    assert text.endswith("Next: podman load --input dist/images/x.tar")
    document = json.loads(ExportResult((archive,), "podman", loaded=True).as_json())
    assert document["loaded"] is True
    assert document["images"][0]["packages"] == {"kubelet": "1.36.3-1"}
