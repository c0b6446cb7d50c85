"""Making bundles: what is in them, the same bytes each time, and what prevents one."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path

import pytest

from kubeparcel.bundle import archive, create, images, model
from kubeparcel.bundle.images import Images
from kubeparcel.errors import ArchiveError, DiskError, UsageError
from kubeparcel.hosts.engine import EngineUnavailable
from kubeparcel.images.archive import single_layer_image, write_archive
from kubeparcel.images.layers import program_layer
from kubeparcel.model import Arch
from kubeparcel.repository.candidates import match
from kubeparcel.repository.policy import PolicyViolation
from tests.bundle.conftest import IMAGES, read_members
from tests.support.image_archives import image_names
from tests.support.package_builders import five
from tests.support.repository_fixtures import publish_folder


def test_bundle_has_packages_dependencies_keys_and_a_script(bundle):
    members = read_members(bundle)
    assert [*members][:4] == [model.SUMS, model.SIGNATURE, model.MANIFEST, model.INSTALLER]
    assert "repository/apt/pool/main/k/kubelet/kubelet_1.36.3-1_amd64.deb" in members
    assert "repository/yum/kubernetes/packages/kubelet-1.36.3-1.x86_64.rpm" in members
    assert "dependencies/trixie/apt/pool/main/libs/libsmall/libsmall_1.0-1_amd64.deb" in members
    assert "dependencies/rocky-9/yum/rocky-9/packages/util-linux-2.41-1.x86_64.rpm" in members
    assert not [name for name in members if name.endswith(".html") or "state" in name]
    manifest = json.loads(members[model.MANIFEST])
    assert manifest["hosts"]["trixie"]["extras"] == ["containerd"]
    assert manifest["hosts"]["trixie"]["expects"] == ["libc6"]
    assert (manifest["version"], manifest["packages"]["rpm"]["cri-tools"]) == ("1.36.3", "1.36.0-1")


@pytest.mark.parametrize("suffix", [".tar", ".tar.zst"])
def test_same_inputs_give_the_same_bytes(make, suffix, monkeypatch, tmp_path):
    first = make(f"a{suffix}")
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "another"))
    later = time.time() + 3600
    monkeypatch.setattr("time.time", lambda: later)
    second = make(f"b{suffix}")
    assert first.sha256 == second.sha256
    assert first.target.read_bytes() == second.target.read_bytes()


def test_compressed_bundle_has_the_same_members(make):
    assert read_members(make("a.tar").target) == read_members(make("b.tar.zst").target)


def test_source_may_be_a_repository(make, key, tmp_path):
    publish_folder(tmp_path / "dist", tmp_path / "repo")
    source = str(tmp_path / "repo")
    assert json.loads(read_members(make("k.tar", source=source, hosts=("trixie",)).target)[model.MANIFEST])["packages"]


def test_unavailable_images_are_listed(make, hosts, monkeypatch):
    hosts.images = IMAGES

    def collect(session, version, names, scratch: Path) -> Images:
        file = scratch / "i"
        file.write_bytes(b"archive")
        return Images(names[:1], names[1:], file)

    monkeypatch.setattr(create, "collect_images", collect)
    result = make()
    assert f"Images that are not in the bundle:\n  {IMAGES[1]}\n" in result.as_text()
    assert "pass the files with --images" in result.as_text()
    assert read_members(result.target)[model.IMAGES] == b"archive"


def test_images_in_archives_are_added(make, tmp_path):
    (tmp_path / "program").write_bytes(b"x")
    layer = program_layer({"/flanneld": tmp_path / "program"}, 0, tmp_path / "layer.tar")
    name = "ghcr.io/flannel-io/flannel:v0.27.0"
    write_archive([single_layer_image(name, layer, Arch.AMD64, 0, {})], tmp_path / "network.tar")
    result = make(images=(tmp_path / "network.tar",))
    assert (result.manifest.images, result.manifest.missing_images) == ((name,), ())
    (tmp_path / "i.tar").write_bytes(read_members(result.target)[model.IMAGES])
    assert image_names(tmp_path / "i.tar") == [name]


def test_a_failed_build_of_images_makes_them_missing(hosts, monkeypatch, tmp_path, log):
    def fail(*_, **__):
        raise DiskError("Go is not installed.", "Install it.")

    monkeypatch.setattr(images, "build_archive", fail)
    with create.open_session(None, log) as session:
        assert images.collect_images(session, "1.36.3", IMAGES, tmp_path) == Images((), IMAGES)
    assert log.warnings == ["No control-plane images: Go is not installed.\n  Install it."]


def test_dry_run_prints_sizes_and_writes_nothing(make, tmp_path, hosts):
    hosts.images = IMAGES
    result = make(dry_run=True)
    assert not result.target.exists()
    assert "k.tar would have about" in result.as_text()
    document = json.loads(result.as_json())
    assert document["dry-run"] is True
    assert document["parts"][0]["size"] > 1000


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"target": "k.zip"}, UsageError, r"--to .*k.zip: expected a name that ends in .tar or .tar.zst"),
        ({"images": (Path("/nowhere/x.tar"),)}, UsageError, r"--images: no file /nowhere/x.tar"),
        ({"images": (Path("/etc/hostname"),)}, ArchiveError, "/etc/hostname is not an archive of images"),
        ({"hosts": ("trixi",)}, UsageError, "Unknown host 'trixi'. Did you mean 'trixie'"),
        ({"source": "/nowhere"}, UsageError, "/nowhere"),
        ({"target": "/proc/k.tar"}, DiskError, "--to /proc/k.tar: No such file or directory"),
        ({"extras": ("a", "-o")}, UsageError, "--with: invalid package name '-o'"),
    ],
)
def test_invalid_requests_are_refused(make, fields, error, message):
    with pytest.raises(error, match=message):
        make(**fields)


def test_an_existing_file_is_not_replaced(make, tmp_path):
    (tmp_path / "k.tar").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        make()
    assert (tmp_path / "k.tar").read_text() == "mine"


def test_an_unavailable_host_is_named_with_the_reason(make, hosts):
    hosts.unavailable = "registry is unreachable"
    with pytest.raises(EngineUnavailable, match="host trixie is unavailable: registry is unreachable"):
        make()


def test_packages_of_another_architecture_are_refused(make, tmp_path):
    source = five(tmp_path / "arm", arches=["arm64"])
    with pytest.raises(UsageError, match=r"no deb packages for amd64, only for arm64 \(deb\), arm64 \(rpm\)"):
        make(source=str(source), hosts=("trixie",))


def test_packages_that_fail_their_checks_are_refused(make, hosts, monkeypatch, tmp_path):
    monkeypatch.setattr(match, "check_layout", hosts.check_layout)
    with pytest.raises(PolicyViolation, match="failed the layout check"):
        make()
    assert not (tmp_path / "k.tar").exists()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(OSError(errno.ENOSPC, "No space left on device"), DiskError), (KeyboardInterrupt(), KeyboardInterrupt)],
    ids=["disk full", "interrupted"],
)
def test_no_partial_file_is_left(make, monkeypatch, tmp_path, raised, expected):
    written = []
    write = archive.write_entry

    def fail_in_the_middle(*arguments):
        written.append(arguments)
        if len(written) > 5:
            raise raised
        write(*arguments)

    monkeypatch.setattr(archive, "write_entry", fail_in_the_middle)
    with pytest.raises(expected):
        make()
    assert not list(tmp_path.glob("*k.tar*"))
