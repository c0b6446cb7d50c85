"""Writes images: one archive for several of them, and the configuration of an image made here."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from kubeparcel.files import translate_os_errors
from kubeparcel.images.model import CONFIG_TYPE, INDEX_TYPE, Blob, Image
from kubeparcel.model import Arch


@dataclass(frozen=True)
class ImageConfig:
    """What an image says of itself. `created` is in seconds since 1970."""

    arch: Arch
    created: int
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""


def single_layer_image(name: str, config: ImageConfig, layer: Blob) -> Image:
    """An image of one layer, which is a plain tar."""
    when = datetime.fromtimestamp(config.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    runs = {
        "Env": [f"{key}={value}" for key, value in sorted(config.env.items())],
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "User": config.user,
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
    }
    document = {
        "architecture": str(config.arch),
        "os": "linux",
        "created": when,
        "config": {key: value for key, value in runs.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}"]},
        "history": [{"created": when, "created_by": "kubeparcel"}],
    }
    return Image((name,), Blob.from_json(CONFIG_TYPE, document), (layer,))


def write_archive(images: Iterable[Image], target: Path) -> None:
    """Write an archive with these images; the same images give the same bytes."""
    found = sorted(images, key=lambda one: one.names)
    blobs = {blob.sha256: blob for one in found for blob in (one.config, *one.layers, one.manifest)}
    with translate_os_errors(target), target.open("wb") as out:
        for name, document in _documents(found).items():
            _put(out, name, Blob.from_json("", document))
        for sha256 in sorted(blobs):
            _put(out, blobs[sha256].path, blobs[sha256])
        out.write(b"\0" * 2 * tarfile.BLOCKSIZE)


def _documents(images: Sequence[Image]) -> dict[str, Any]:
    """The archive's tables of contents: OCI's, and the one that docker and podman read."""
    return {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [_indexed(one, name) for one in images for name in one.names],
        },
        "manifest.json": [
            {
                "Config": one.config.path,
                "RepoTags": list(one.names),
                "Layers": [layer.path for layer in one.layers],
            }
            for one in images
        ],
    }


def _indexed(one: Image, name: str) -> dict[str, Any]:
    notes = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }
    return {**one.manifest.descriptor, "annotations": notes}


def _put(out: BinaryIO, name: str, blob: Blob) -> None:
    """One entry of a tar, without a second copy of its bytes in memory."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = blob.size, 0o644
    out.write(entry.tobuf(tarfile.USTAR_FORMAT))
    out.writelines(blob.chunks())
    out.write(b"\0" * (-blob.size % tarfile.BLOCKSIZE))
