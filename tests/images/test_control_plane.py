"""A control plane's images come from the first place that has them, and are gathered once."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel import paths
from kubeparcel.errors import ExternalError, UsageError
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.images import archive_reader, archive_writer, control_plane, image_sources, layers
from kubeparcel.images.archive_writer import ImageConfig
from kubeparcel.images.control_plane_build import BuildableImage, Compiler, buildable_images
from kubeparcel.model import Arch, Version
from kubeparcel.store import Store
from tests.conftest import RecordingLog

RELEASE = Version.parse("1.36.3")
APISERVER = "registry.k8s.io/kube-apiserver:v1.36.3"
COREDNS = "registry.k8s.io/coredns/coredns:v1.14.2"


def saved(folder: Path, file: str, *names: str) -> None:
    """An archive of images, as others write them."""
    folder.mkdir(exist_ok=True)
    images = []
    for index, name in enumerate(names):
        program = folder / "program"
        program.write_text(name)
        target = folder / f"{index}.layer"
        blob = layers.program_layer({"/program": program}, 0, target)
        images.append(archive_writer.single_layer_image(name, ImageConfig(Arch.AMD64, 0), blob))
    archive_writer.write_archive(images, folder / file)


@pytest.fixture
def gather(tmp_path, monkeypatch):
    """Ask for images where no registry answers; give their names, and what was said."""
    monkeypatch.setattr(image_sources, "is_reachable", lambda registry: False)
    store = Store(tmp_path / "store")

    def ask(*wanted: str, archives: Path | None = None) -> tuple[Path, RecordingLog]:
        log = RecordingLog()
        places = ImageLocations(archive_folder=archives)
        found = control_plane.control_plane_archive(
            RELEASE, wanted, store, log, locations=places, arch=Arch.AMD64
        )
        return found, log

    return ask


def test_images_come_from_a_folder_of_archives_under_the_names_that_were_asked_for(
    gather, tmp_path
):
    saved(tmp_path / "a", "all.tar", APISERVER, COREDNS, "docker.io/library/other:1")
    found, log = gather(COREDNS, APISERVER, archives=tmp_path / "a")
    assert archive_reader.image_names(found) == [COREDNS, APISERVER]
    assert log.messages == log.tasks == []


def test_the_same_images_are_gathered_once_and_anew_when_the_folder_changes(gather, tmp_path):
    saved(tmp_path / "a", "one.tar", APISERVER)
    first, _ = gather(APISERVER, archives=tmp_path / "a")
    at = first.stat().st_mtime_ns
    again, _ = gather(APISERVER, archives=tmp_path / "a")
    assert (again, again.stat().st_mtime_ns) == (first, at)
    saved(tmp_path / "a", "two.tar", COREDNS)
    later, _ = gather(APISERVER, COREDNS, archives=tmp_path / "a")
    assert archive_reader.image_names(later) == [COREDNS, APISERVER]


def test_an_image_that_nobody_has_and_that_cannot_be_built_is_left_out_with_a_word(gather):
    found, log = gather(COREDNS)
    assert archive_reader.image_names(found) == []
    assert log.messages == [("Images", f"left out, no registry has them here: {COREDNS}")]


def test_what_was_left_out_is_looked_for_again_when_a_registry_answers(
    gather, tmp_path, monkeypatch
):
    asked = []

    class Engine:
        def has_image(self, name: str) -> bool:
            return False

        def pull(self, name: str) -> None:
            asked.append(name)

        def save_images(self, names: list[str], file: Path) -> None:
            saved(tmp_path / "pulled", "x.tar", *names)
            (tmp_path / "pulled/x.tar").rename(file)

        def remove_image(self, name: str) -> None:
            asked.append(f"without {name}")

    gather(COREDNS)
    monkeypatch.setattr(
        image_sources, "is_reachable", lambda registry: registry == "mirror.example"
    )
    found = control_plane.control_plane_archive(
        RELEASE,
        [COREDNS],
        Store(tmp_path / "store"),
        RecordingLog(),
        engine=Engine(),  # type: ignore[arg-type]
        locations=ImageLocations(registry="mirror.example/k8s"),
        arch=Arch.AMD64,
    )
    mirrored = "mirror.example/k8s/coredns/coredns:v1.14.2"
    assert asked == [mirrored, f"without {mirrored}"]
    assert archive_reader.image_names(found) == [COREDNS]


def test_a_folder_that_is_none_is_named(gather, tmp_path):
    with pytest.raises(UsageError, match=r"missing is no folder(?s:.*)podman save"):
        gather(APISERVER, archives=tmp_path / "missing")


def test_the_folder_is_named_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBEPARCEL_ARCHIVES", str(tmp_path))
    assert ImageLocations.from_environment().archive_folder == tmp_path
    monkeypatch.delenv("KUBEPARCEL_ARCHIVES")
    assert ImageLocations.from_environment().archive_folder is None


@pytest.mark.parametrize("name", buildable_images())
def test_every_image_that_can_be_built_is_a_command_or_a_program_at_its_place(name):
    row = buildable_images()[name]
    assert bool(row.command) != bool(row.program)
    assert row.path.rpartition("/")[2] == name
    if row.program:
        text = (paths.template_dir() / row.program).read_text()
        assert text.count("package main") == 1
        assert (row.module in text) or not row.module


def test_a_tag_without_a_version_cannot_name_a_modules(tmp_path):
    compiler = Compiler(Store(tmp_path), RecordingLog(), Arch.AMD64)
    row = BuildableImage(path="/etcd", program="hosts/etcd.go", module="go.etcd.io/etcd/server/v3")
    with pytest.raises(ExternalError, match="'latest'"):
        compiler.compile_program(row, "latest")
