"""Write archives of images, and images with one layer."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubeparcel.files import translate_os_errors
from kubeparcel.images.model import CONFIG_TYPE, INDEX_TYPE, Blob, Image
from kubeparcel.images.tar import END, write_entry
from kubeparcel.model import Arch

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The usual PATH of an image."""


def single_layer_image(name: str, layer: Blob, arch: Arch, created: int, config: Mapping[str, Any]) -> Image:
    """Return an image with one uncompressed layer; `created` is in seconds since 1970.

    `config` are fields of OCI's image configuration, such as `Cmd`; empty ones are left out.
    """
    time = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {
        "architecture": str(arch),
        "os": "linux",
        "created": time,
        "config": {key: value for key, value in config.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}"]},
        "history": [{"created": time, "created_by": "kubeparcel"}],
    }
    return Image((name,), Blob.from_json(CONFIG_TYPE, document), (layer,))


def write_archive(images: Iterable[Image], target: Path) -> None:
    """Write an archive of images; the same images in any order result in the same bytes."""
    images = sorted(images, key=lambda image: image.names)
    blobs = {blob.sha256: blob for image in images for blob in (image.config, *image.layers, image.manifest)}
    files = {name: Blob.from_json("", document) for name, document in _indexes(images).items()}
    files |= {blobs[sha256].path: blobs[sha256] for sha256 in sorted(blobs)}
    with translate_os_errors(target), target.open("wb") as out:
        for path, blob in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = blob.size, 0o644
            write_entry(out, entry, blob.chunks())
        out.write(END)


def _indexes(images: Sequence[Image]) -> dict[str, Any]:
    """Return the OCI index, and manifest.json, which docker and podman read."""
    return {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [
                {**image.manifest.descriptor, "annotations": _annotations(name)}
                for image in images
                for name in image.names
            ],
        },
        "manifest.json": [
            {
                "Config": image.config.path,
                "RepoTags": list(image.names),
                "Layers": [layer.path for layer in image.layers],
            }
            for image in images
        ],
    }


def _annotations(name: str) -> dict[str, str]:
    return {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
