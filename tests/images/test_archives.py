"""Archives of images: written the same every time, and read whoever wrote them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.errors import ArchiveError, DigestError
from kubeparcel.images import archive_reader, archive_writer, layers
from kubeparcel.images.archive_writer import ImageConfig
from kubeparcel.images.model import CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, Blob, Image
from kubeparcel.model import Arch

RELEASED = 1_784_743_658
PAUSE = "registry.k8s.io/pause:3.10.2"
ETCD = "registry.k8s.io/etcd:3.6.8-0"


def made(folder: Path, name: str, text: str = "#!program\n", arch: Arch = Arch.AMD64) -> Image:
    """A small image with one program."""
    program = folder / f"{hashlib.sha256(name.encode()).hexdigest()}-{arch}"
    program.write_text(text)
    blob = layers.program_layer(
        {"/usr/local/bin/etcd": program}, RELEASED, program.with_suffix(".tar")
    )
    config = ImageConfig(arch, RELEASED, env={"PATH": "/usr/local/bin"}, command=("etcd",))
    return archive_writer.single_layer_image(name, config, blob)


def document(blob: Blob) -> Any:
    return json.loads(b"".join(blob.chunks()))


def tar(target: Path, files: dict[str, bytes | str]) -> Path:
    """A tar of files; a text is a symbolic link's target."""
    with tarfile.open(target, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            else:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content if isinstance(content, bytes) else b""))
    return target


# --- Written -------------------------------------------------------------------------------------


def test_the_same_images_give_the_same_bytes_in_whatever_order_they_come(tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        images = [made(tmp_path / folder, name) for name in (PAUSE, ETCD)]
        archive_writer.write_archive(
            reversed(images) if folder == "one" else images, tmp_path / f"{folder}.tar"
        )
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


def test_every_blob_lies_under_its_own_digest_and_every_reference_has_one(tmp_path):
    archive_writer.write_archive(
        [made(tmp_path, PAUSE), made(tmp_path, ETCD)], tmp_path / "images.tar"
    )
    with tarfile.open(tmp_path / "images.tar") as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    blobs = {n: data for n, data in files.items() if n.startswith("blobs/")}
    assert all(name.endswith(hashlib.sha256(data).hexdigest()) for name, data in blobs.items())
    for row in json.loads(files["index.json"])["manifests"]:
        manifest = json.loads(blobs[row["digest"].replace("sha256:", "blobs/sha256/")])
        for one in (manifest["config"], *manifest["layers"]):
            assert len(blobs[one["digest"].replace("sha256:", "blobs/sha256/")]) == one["size"]
    for row in json.loads(files["manifest.json"]):
        config = json.loads(blobs[row["Config"]])
        digests = [f"sha256:{hashlib.sha256(blobs[name]).hexdigest()}" for name in row["Layers"]]
        assert config["rootfs"]["diff_ids"] == digests
    assert {row["RepoTags"][0] for row in json.loads(files["manifest.json"])} == {PAUSE, ETCD}


def test_an_image_says_what_runs_in_it_and_nothing_that_it_does_not_have(tmp_path):
    found = document(made(tmp_path, ETCD).config)
    assert found["config"] == {"Cmd": ["etcd"], "Env": ["PATH=/usr/local/bin"]}
    assert found["architecture"] == "amd64"
    assert found["created"] == "2026-07-22T18:07:38Z"


def test_a_layer_of_programs_is_roots_and_of_the_releases_date(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"x" * 1000)
    blob = layers.program_layer({"/usr/local/bin/etcd": program}, RELEASED, tmp_path / "layer.tar")
    assert blob.media_type == LAYER_TYPE
    with tarfile.open(tmp_path / "layer.tar") as archive:
        rows = [(one.name, one.isdir(), one.mode, one.uid, one.mtime) for one in archive]
        assert archive.extractfile("usr/local/bin/etcd").read() == b"x" * 1000  # type: ignore[union-attr]
    assert rows == [
        ("usr", True, 0o755, 0, RELEASED),
        ("usr/local", True, 0o755, 0, RELEASED),
        ("usr/local/bin", True, 0o755, 0, RELEASED),
        ("usr/local/bin/etcd", False, 0o755, 0, RELEASED),
    ]


# --- Read ----------------------------------------------------------------------------------------


def test_what_was_written_is_read_back(tmp_path):
    wanted = [made(tmp_path, ETCD), made(tmp_path, PAUSE, "other")]
    file = tmp_path / "images.tar"
    archive_writer.write_archive(wanted, file)
    found = archive_reader.read_archive(file, Arch.AMD64, tmp_path)
    assert [one.names for one in found] == [(ETCD,), (PAUSE,)]
    assert [one.manifest for one in found] == [one.manifest for one in wanted]
    assert archive_reader.image_names(file) == [ETCD, PAUSE]
    archive_writer.write_archive(found, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()


def test_a_compressed_archive_is_read_like_a_plain_one(tmp_path):
    archive_writer.write_archive([made(tmp_path, ETCD)], tmp_path / "images.tar")
    packed = tmp_path / "images.tar.gz"
    packed.write_bytes(gzip.compress((tmp_path / "images.tar").read_bytes()))
    assert [one.names for one in archive_reader.read_archive(packed, Arch.AMD64, tmp_path)] == [
        (ETCD,)
    ]


def docker(folder: Path, image: Image, diff_id: str = "") -> dict[str, bytes | str]:
    """The files of `docker save` before version 25, where two images share a layer."""
    config = document(image.config)
    if diff_id:
        config["rootfs"]["diff_ids"] = [diff_id]
    row = {"Config": "c.json", "RepoTags": [ETCD], "Layers": ["b/layer.tar"]}
    return {
        "a/layer.tar": b"".join(image.layers[0].chunks()),
        "b/layer.tar": "../a/layer.tar",
        "c.json": json.dumps(config).encode(),
        "manifest.json": json.dumps([row, {**row, "RepoTags": None}]).encode(),
    }


def test_what_docker_saved_is_read_with_layers_that_are_links(tmp_path):
    image = made(tmp_path, ETCD)
    file = tar(tmp_path / "docker.tar", docker(tmp_path, image))
    (found,) = archive_reader.read_archive(file, Arch.AMD64, tmp_path)
    assert found.names == (ETCD,)
    assert found.layers[0].sha256 == image.layers[0].sha256
    assert found.config.media_type == CONFIG_TYPE


def test_a_layer_that_the_configuration_does_not_name_is_refused(tmp_path):
    files = docker(tmp_path, made(tmp_path, ETCD), diff_id="sha256:" + "0" * 64)
    with pytest.raises(DigestError, match=r"docker.tar: registry.k8s.io/etcd:3.6.8-0 is damaged"):
        archive_reader.read_archive(tar(tmp_path / "docker.tar", files), Arch.AMD64, tmp_path)


def test_a_blob_with_another_digest_is_refused(tmp_path):
    file = tmp_path / "images.tar"
    archive_writer.write_archive([made(tmp_path, ETCD, "the right bytes")], file)
    file.write_bytes(file.read_bytes().replace(b"the right bytes", b"the wrong bytes"))
    with pytest.raises(DigestError, match=r"images.tar: blobs/sha256/.* is damaged"):
        archive_reader.read_archive(file, Arch.AMD64, tmp_path)


def test_images_of_other_architectures_are_not_taken(tmp_path):
    file = tar(tmp_path / "docker.tar", docker(tmp_path, made(tmp_path, ETCD)))
    assert archive_reader.read_archive(file, Arch.ARM64, tmp_path) == []


def several(folder: Path, *arches: Arch) -> Path:
    """What `ctr images export` writes of an image for several architectures, of which some came."""
    blobs: dict[str, bytes | str] = {}
    rows = []
    for arch in Arch:
        image = made(folder, ETCD, f"for {arch}", arch)
        platform = {"os": "linux", "architecture": str(arch)}
        rows.append({**image.manifest.descriptor, "platform": platform})
        if arch in arches:
            for blob in (image.config, image.manifest, *image.layers):
                blobs[blob.path] = b"".join(blob.chunks())
    both = Blob.from_json(INDEX_TYPE, {"schemaVersion": 2, "manifests": rows})
    notes = {"io.containerd.image.name": ETCD}
    index = {"manifests": [{**both.descriptor, "annotations": notes}]}
    files = {both.path: both.data or b"", "index.json": json.dumps(index).encode(), **blobs}
    return tar(folder / "several.tar", files)


def test_of_an_image_for_several_architectures_ours_is_taken(tmp_path):
    file = several(tmp_path, Arch.AMD64, Arch.ARM64)
    (found,) = archive_reader.read_archive(file, Arch.ARM64, tmp_path)
    assert document(found.config)["architecture"] == "arm64"
    assert found.manifest.media_type == MANIFEST_TYPE


def test_an_architecture_that_an_index_names_but_the_archive_lacks_is_not_there(tmp_path):
    with pytest.raises(ArchiveError):
        archive_reader.read_archive(several(tmp_path, Arch.ARM64), Arch.AMD64, tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        {"hello": b"world"},
        {"manifest.json": b"{"},
        {"manifest.json": b'[{"Config": "gone.json", "RepoTags": ["a/b:c"], "Layers": []}]'},
        {"index.json": b'{"manifests": 7}'},
        {"index.json": b"[]"},
    ],
)
def test_what_is_no_archive_of_images_is_said_to_be_none(tmp_path, files):
    with pytest.raises(ArchiveError, match=r"x.tar is not an archive of images(?s:.*)podman save"):
        archive_reader.read_archive(tar(tmp_path / "x.tar", files), Arch.AMD64, tmp_path)


@pytest.mark.parametrize("data", [b"", b"hello", gzip.compress(b"hello" * 99, mtime=0)[:20]])
def test_what_is_no_tar_at_all_is_said_to_be_none(tmp_path, data):
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"x\.tar"):
        archive_reader.read_archive(tmp_path / "x.tar", Arch.AMD64, tmp_path)
