"""A node's image is named by all that decides its bytes, and says what is inside."""

from __future__ import annotations

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
from tests.acceptance.small_packages import small, write_set

TRIXIE = catalog.load_hosts().get("trixie")
BELOW = "localhost/kubeparcel/trixie-node:1"


@pytest.fixture
def packages(tmp_path):
    """A set of our packages in miniature, of a revision."""

    def make(revision: str = "2") -> PackageSet:
        folder = tmp_path / revision
        folder.mkdir()
        files = write_set(small(folder / "shop", revision), Format.DEB, folder)
        return load_package_sets(sorted(files.iterdir()), folder / "laid")[Format.DEB]

    return make


def test_the_name_says_the_version_and_changes_with_the_packages_and_the_host(packages):
    one, other = packages("2"), packages("3")
    names = {
        NodeImage(TRIXIE, one, BELOW).name,
        NodeImage(TRIXIE, other, BELOW).name,
        NodeImage(TRIXIE, one, "localhost/kubeparcel/trixie-node:2").name,
    }
    assert len(names) == 3
    assert all(n.startswith("localhost/kubeparcel/trixie-kubernetes:1.36.3-") for n in names)
    assert NodeImage(TRIXIE, one, BELOW).name in names


def test_a_change_of_what_is_left_out_is_another_image(packages, monkeypatch):
    wanted = NodeImage(TRIXIE, packages(), BELOW)
    before = wanted.name
    monkeypatch.setattr(node_image, "RULES", node_image.RootFilesystemRules(exclude=("srv",)))
    assert wanted.name != before


def test_containerd_finds_our_plugins_and_kubeadms_pause_on_either_kind_of_machine(packages):
    files = NodeImage(TRIXIE, packages(), BELOW).added_files("registry.k8s.io/pause:3.10.2")
    for version, systemd in ((1, "false"), (2, "true")):
        text = files[f"/usr/lib/kubeparcel/containerd-cgroup-v{version}.toml"]
        assert 'bin_dir = "/opt/cni/bin"' in text
        assert 'sandbox_image = "registry.k8s.io/pause:3.10.2"' in text
        assert f"SystemdCgroup = {systemd}" in text
    unit = files["/etc/systemd/system/kubeparcel-node.service"]
    assert "Before=containerd.service kubelet.service" in unit
    assert all(
        f"{node_image.NODE_FOLDER}/{name}" in files for name in ("runtime.sh", "cgroup-v1.sh")
    )


def test_packages_that_are_missing_are_named(packages, tmp_path):
    whole = packages()
    some = PackageSet(Format.DEB, whole.folder, whole.contents[:2])
    with pytest.raises(
        UsageError, match=r"trixie takes deb packages.*kubelet, kubectl, kubernetes-cni"
    ):
        export.require_all_packages(TRIXIE, some, [tmp_path])
    with pytest.raises(UsageError, match="cri-tools are not in"):
        export.require_all_packages(TRIXIE, None, [tmp_path])
    export.require_all_packages(TRIXIE, whole, [tmp_path])


def test_the_result_says_where_the_archives_are_and_what_to_type_next(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    file = Path.cwd() / "dist/images/x.tar"
    one = ImageArchive(
        TRIXIE, "localhost/x:1", file, "ab", 621_000_000, {"kubelet": "1.36.3-1"}, True
    )
    text = ExportResult((one,), "podman", loaded=False).as_text()
    assert "621.0 MB  dist/images/x.tar" in text
    assert text.endswith("Next: podman load --input dist/images/x.tar")
    document = json.loads(ExportResult((one,), "podman", loaded=True).as_json())
    assert document["loaded"] is True
    assert document["images"][0]["packages"] == {"kubelet": "1.36.3-1"}
