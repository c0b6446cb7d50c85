"""Collecting the images of a control plane from a folder, a registry or Go modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel import paths
from kubeparcel.errors import ExternalError, UsageError
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.images import control_plane, layers
from kubeparcel.images.archive import single_layer_image, write_archive
from kubeparcel.images.control_plane_build import BuildableImage, Compiler, buildable_images
from kubeparcel.model import Arch, Version
from kubeparcel.store import Store
from tests.support.image_archives import image_names
from tests.support.recording_log import RecordingLog

RELEASE = Version.parse("1.36.3")
APISERVER = "registry.k8s.io/kube-apiserver:v1.36.3"
COREDNS = "registry.k8s.io/coredns/coredns:v1.14.2"


def save_images(folder: Path, file: str, *names: str) -> None:
    """Write an archive of images."""
    folder.mkdir(exist_ok=True)
    images = []
    for index, name in enumerate(names):
        program = folder / "program"
        program.write_text(name)
        target = folder / f"{index}.layer"
        blob = layers.program_layer({"/program": program}, 0, target)
        images.append(single_layer_image(name, blob, Arch.AMD64, 0, {}))
    write_archive(images, folder / file)


@pytest.fixture
def collect(tmp_path, monkeypatch):
    """Return a function that collects images without a registry, and the log."""
    monkeypatch.setattr(control_plane, "is_reachable", lambda registry: False)
    store = Store(tmp_path / "store")

    def collect(*names: str, archives: Path | None = None) -> tuple[Path, RecordingLog]:
        log = RecordingLog()
        locations = ImageLocations(archive_folder=archives)
        archive = control_plane.build_archive(RELEASE, names, store, log, locations=locations, arch=Arch.AMD64)
        return archive, log

    return collect


def test_images_of_the_archive_folder_get_the_requested_names(collect, tmp_path):
    save_images(tmp_path / "a", "all.tar", APISERVER, COREDNS, "docker.io/library/other:1")
    archive, log = collect(COREDNS, APISERVER, archives=tmp_path / "a")
    assert image_names(archive) == [COREDNS, APISERVER]
    assert log.messages == log.tasks == []


def test_images_are_collected_once_and_again_when_the_folder_changes(collect, tmp_path):
    save_images(tmp_path / "a", "one.tar", APISERVER)
    first, _ = collect(APISERVER, archives=tmp_path / "a")
    inode = first.stat().st_ino
    again, _ = collect(APISERVER, archives=tmp_path / "a")
    assert (again, again.stat().st_ino) == (first, inode)
    save_images(tmp_path / "a", "two.tar", COREDNS)
    changed, _ = collect(APISERVER, COREDNS, archives=tmp_path / "a")
    assert image_names(changed) == [COREDNS, APISERVER]


def test_an_image_without_any_source_is_left_out_and_logged(collect):
    archive, log = collect(COREDNS)
    assert image_names(archive) == []
    assert log.messages == [("Images", f"left out, not in any registry: {COREDNS}")]


def test_missing_images_are_pulled_when_a_registry_becomes_reachable(collect, tmp_path, monkeypatch):
    calls = []

    class Engine:
        def has_image(self, name: str) -> bool:
            return False

        def pull(self, name: str) -> None:
            calls.append(name)

        def save_images(self, names: list[str], file: Path) -> None:
            save_images(tmp_path / "pulled", "x.tar", *names)
            (tmp_path / "pulled/x.tar").rename(file)

        def remove_image(self, name: str) -> None:
            calls.append(f"remove {name}")

    collect(COREDNS)
    monkeypatch.setattr(control_plane, "is_reachable", lambda registry: registry == "mirror.example")
    archive = control_plane.build_archive(
        RELEASE,
        [COREDNS],
        Store(tmp_path / "store"),
        RecordingLog(),
        engine=Engine(),
        locations=ImageLocations(registry="mirror.example/k8s"),
        arch=Arch.AMD64,
    )
    mirrored = "mirror.example/k8s/coredns/coredns:v1.14.2"
    assert calls == [mirrored, f"remove {mirrored}"]
    assert image_names(archive) == [COREDNS]


def test_a_missing_archive_folder_is_a_usage_error(collect, tmp_path):
    with pytest.raises(UsageError, match=r"missing is not a folder(?s:.*)podman save"):
        collect(APISERVER, archives=tmp_path / "missing")


def test_the_archive_folder_is_read_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBEPARCEL_ARCHIVES", str(tmp_path))
    assert ImageLocations.from_environment().archive_folder == tmp_path
    monkeypatch.delenv("KUBEPARCEL_ARCHIVES")
    assert ImageLocations.from_environment().archive_folder is None


@pytest.mark.parametrize("name", buildable_images())
def test_every_buildable_image_has_a_command_or_a_program(name):
    image = buildable_images()[name]
    assert bool(image.command) != bool(image.program)
    assert image.path.rpartition("/")[2] == name
    if image.program:
        text = (paths.template_dir() / image.program).read_text()
        assert text.count("package main") == 1
        assert (image.module in text) or not image.module


def test_a_tag_without_a_version_is_an_error(tmp_path):
    compiler = Compiler(Store(tmp_path), RecordingLog(), Arch.AMD64)
    image = BuildableImage(path="/etcd", program="hosts/etcd.go", module="go.etcd.io/etcd/server/v3")
    with pytest.raises(ExternalError, match="'latest'"):
        compiler.compile_program(image, "latest")


def test_images_of_a_patched_release_are_of_upstreams_release(tmp_path, monkeypatch):
    """Go's module proxy and registries have no versions with build metadata."""
    monkeypatch.setattr(control_plane, "is_reachable", lambda registry: False)
    compiled = []

    def compile_commands(_: Compiler, version: Version, names: object) -> dict[str, object]:
        compiled.append(str(version))
        raise ExternalError("enough")

    monkeypatch.setattr(Compiler, "compile_commands", compile_commands)
    with pytest.raises(ExternalError, match="enough"):
        control_plane.build_archive(
            *(Version.parse("1.36.3+acme.1"), [APISERVER], Store(tmp_path / "store"), RecordingLog()),
            locations=ImageLocations(archive_folder=None),
        )
    assert compiled == ["1.36.3"]
