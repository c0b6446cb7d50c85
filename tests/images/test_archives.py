"""Writing archives of images reproducibly, and reading those of other programs."""

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
from kubeparcel.images import layers
from kubeparcel.images.archive import read_archive, single_layer_image, write_archive
from kubeparcel.images.model import CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, Blob, Image
from kubeparcel.model import Arch
from tests.support.image_archives import image_names

RELEASED = 1_784_743_658
PAUSE = "registry.k8s.io/pause:3.10.2"
ETCD = "registry.k8s.io/etcd:3.6.8-0"


def small_image(folder: Path, name: str, text: str = "#!program\n", arch: Arch = Arch.AMD64) -> Image:
    """Return a small image with a single program."""
    program = folder / f"{hashlib.sha256(name.encode()).hexdigest()}-{arch}"
    program.write_text(text)
    blob = layers.program_layer({"/usr/local/bin/etcd": program}, RELEASED, program.with_suffix(".tar"))
    config = {"Env": ["PATH=/usr/local/bin"], "Cmd": ["etcd"], "User": ""}
    return single_layer_image(name, blob, arch, RELEASED, config)


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


# --- Writing ------------------------------------------------------------------------------------


def test_the_order_of_the_images_does_not_change_the_archive(tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        images = [small_image(tmp_path / folder, name) for name in (PAUSE, ETCD)]
        write_archive(reversed(images) if folder == "first" else images, tmp_path / f"{folder}.tar")
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


def test_every_blob_is_named_by_its_digest_and_every_reference_resolves(tmp_path):
    write_archive([small_image(tmp_path, PAUSE), small_image(tmp_path, ETCD)], tmp_path / "images.tar")
    with tarfile.open(tmp_path / "images.tar") as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive}
    blobs = {n: data for n, data in files.items() if n.startswith("blobs/")}
    assert all(name.endswith(hashlib.sha256(data).hexdigest()) for name, data in blobs.items())
    for descriptor in json.loads(files["index.json"])["manifests"]:
        manifest = json.loads(blobs[descriptor["digest"].replace("sha256:", "blobs/sha256/")])
        for part in (manifest["config"], *manifest["layers"]):
            assert len(blobs[part["digest"].replace("sha256:", "blobs/sha256/")]) == part["size"]
    for entry in json.loads(files["manifest.json"]):
        config = json.loads(blobs[entry["Config"]])
        digests = [f"sha256:{hashlib.sha256(blobs[name]).hexdigest()}" for name in entry["Layers"]]
        assert config["rootfs"]["diff_ids"] == digests
    assert {entry["RepoTags"][0] for entry in json.loads(files["manifest.json"])} == {PAUSE, ETCD}


def test_an_images_configuration_omits_empty_fields(tmp_path):
    configuration = document(small_image(tmp_path, ETCD).config)
    assert configuration["config"] == {"Cmd": ["etcd"], "Env": ["PATH=/usr/local/bin"]}
    assert configuration["architecture"] == "amd64"
    assert configuration["created"] == "2026-07-22T18:07:38Z"


def test_a_program_layer_is_owned_by_root_and_has_the_release_time(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"x" * 1000)
    blob = layers.program_layer({"/usr/local/bin/etcd": program}, RELEASED, tmp_path / "layer.tar")
    assert blob.media_type == LAYER_TYPE
    with tarfile.open(tmp_path / "layer.tar") as archive:
        entries = [(entry.name, entry.isdir(), entry.mode, entry.uid, entry.mtime) for entry in archive]
        assert archive.extractfile("usr/local/bin/etcd").read() == b"x" * 1000
    assert entries == [
        ("usr", True, 0o755, 0, RELEASED),
        ("usr/local", True, 0o755, 0, RELEASED),
        ("usr/local/bin", True, 0o755, 0, RELEASED),
        ("usr/local/bin/etcd", False, 0o755, 0, RELEASED),
    ]


# --- Reading --------------------------------------------------------------------------------------


def test_a_written_archive_is_read_back(tmp_path):
    images = [small_image(tmp_path, ETCD), small_image(tmp_path, PAUSE, "other")]
    file = tmp_path / "images.tar"
    write_archive(images, file)
    loaded = read_archive(file, Arch.AMD64, tmp_path)
    assert [image.names for image in loaded] == [(ETCD,), (PAUSE,)]
    assert [image.manifest for image in loaded] == [image.manifest for image in images]
    assert image_names(file) == [ETCD, PAUSE]
    write_archive(loaded, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == file.read_bytes()


def test_a_compressed_archive_is_read_like_a_plain_one(tmp_path):
    write_archive([small_image(tmp_path, ETCD)], tmp_path / "images.tar")
    packed = tmp_path / "images.tar.gz"
    packed.write_bytes(gzip.compress((tmp_path / "images.tar").read_bytes()))
    assert [image.names for image in read_archive(packed, Arch.AMD64, tmp_path)] == [(ETCD,)]


def docker(folder: Path, image: Image, diff_id: str = "") -> dict[str, bytes | str]:
    """The files of `docker save` before version 25, where two images share a layer."""
    config = document(image.config)
    if diff_id:
        config["rootfs"]["diff_ids"] = [diff_id]
    entry = {"Config": "c.json", "RepoTags": [ETCD], "Layers": ["b/layer.tar"]}
    return {
        "a/layer.tar": b"".join(image.layers[0].chunks()),
        "b/layer.tar": "../a/layer.tar",
        "c.json": json.dumps(config).encode(),
        "manifest.json": json.dumps([entry, {**entry, "RepoTags": None}]).encode(),
    }


def test_an_archive_of_docker_save_with_linked_layers_is_read(tmp_path):
    image = small_image(tmp_path, ETCD)
    file = tar(tmp_path / "docker.tar", docker(tmp_path, image))
    (loaded,) = read_archive(file, Arch.AMD64, tmp_path)
    assert loaded.names == (ETCD,)
    assert loaded.layers[0].sha256 == image.layers[0].sha256
    assert loaded.config.media_type == CONFIG_TYPE


def test_a_layer_that_does_not_match_the_configuration_is_an_error(tmp_path):
    files = docker(tmp_path, small_image(tmp_path, ETCD), diff_id="sha256:" + "0" * 64)
    with pytest.raises(DigestError, match=r"docker.tar: registry.k8s.io/etcd:3.6.8-0 is damaged"):
        read_archive(tar(tmp_path / "docker.tar", files), Arch.AMD64, tmp_path)


def test_a_blob_with_the_wrong_digest_is_an_error(tmp_path):
    file = tmp_path / "images.tar"
    write_archive([small_image(tmp_path, ETCD, "the right bytes")], file)
    file.write_bytes(file.read_bytes().replace(b"the right bytes", b"the wrong bytes"))
    with pytest.raises(DigestError, match=r"images.tar: blobs/sha256/.* is damaged"):
        read_archive(file, Arch.AMD64, tmp_path)


def test_images_for_other_architectures_are_ignored(tmp_path):
    file = tar(tmp_path / "docker.tar", docker(tmp_path, small_image(tmp_path, ETCD)))
    assert read_archive(file, Arch.ARM64, tmp_path) == []


def multi_arch_archive(folder: Path, *arches: Arch) -> Path:
    """Write what `ctr images export` writes of a multi-arch image; `arches` have their blobs."""
    blobs: dict[str, bytes | str] = {}
    descriptors = []
    for arch in Arch:
        image = small_image(folder, ETCD, f"for {arch}", arch)
        platform = {"os": "linux", "architecture": str(arch)}
        descriptors.append({**image.manifest.descriptor, "platform": platform})
        if arch in arches:
            for blob in (image.config, image.manifest, *image.layers):
                blobs[blob.path] = b"".join(blob.chunks())
    multi = Blob.from_json(INDEX_TYPE, {"schemaVersion": 2, "manifests": descriptors})
    notes = {"io.containerd.image.name": ETCD}
    index = {"manifests": [{**multi.descriptor, "annotations": notes}]}
    files = {multi.path: multi.data or b"", "index.json": json.dumps(index).encode(), **blobs}
    return tar(folder / "several.tar", files)


def test_a_multi_arch_image_is_read_for_the_requested_architecture(tmp_path):
    file = multi_arch_archive(tmp_path, Arch.AMD64, Arch.ARM64)
    (loaded,) = read_archive(file, Arch.ARM64, tmp_path)
    assert document(loaded.config)["architecture"] == "arm64"
    assert loaded.manifest.media_type == MANIFEST_TYPE


def test_an_architecture_whose_blobs_are_missing_is_an_error(tmp_path):
    with pytest.raises(ArchiveError):
        read_archive(multi_arch_archive(tmp_path, Arch.ARM64), Arch.AMD64, tmp_path)


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
def test_a_tar_without_images_is_an_error(tmp_path, files):
    with pytest.raises(ArchiveError, match=r"x.tar is not an archive of images(?s:.*)podman save"):
        read_archive(tar(tmp_path / "x.tar", files), Arch.AMD64, tmp_path)


@pytest.mark.parametrize("data", [b"", b"hello", gzip.compress(b"hello" * 99, mtime=0)[:20]])
def test_a_file_that_is_not_a_tar_is_an_error(tmp_path, data):
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"x\.tar"):
        read_archive(tmp_path / "x.tar", Arch.AMD64, tmp_path)
