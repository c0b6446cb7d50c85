"""The parts of an image: blobs with their digests, and the names of the image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubeparcel.images.tar import read_chunks

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Blob:
    """Bytes in memory, or `size` bytes of a file from `offset`; `sha256` is in hexadecimal."""

    media_type: str
    sha256: str
    size: int
    data: bytes | None = None
    file: Path | None = None
    offset: int = 0

    @classmethod
    def from_json(cls, media_type: str, document: Any) -> Blob:
        """Return a JSON document as a blob; equal documents have equal bytes."""
        data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        return cls(media_type, hashlib.sha256(data).hexdigest(), len(data), data)

    @classmethod
    def from_file(cls, media_type: str, file: Path, offset: int = 0, size: int | None = None) -> Blob:
        """Return a part of a file as a blob; its bytes are read once for the digest."""
        length = file.stat().st_size - offset if size is None else size
        blob = cls(media_type, "", length, file=file, offset=offset)
        digest = hashlib.sha256()
        for chunk in blob.chunks():
            digest.update(chunk)
        return replace(blob, sha256=digest.hexdigest())

    def chunks(self) -> Iterator[bytes]:
        if self.file is None:
            return iter([self.data or b""])
        return read_chunks(self.file, self.offset, self.size)

    @property
    def path(self) -> str:
        return f"blobs/sha256/{self.sha256}"

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": f"sha256:{self.sha256}", "size": self.size}


@dataclass(frozen=True)
class Image:
    """An image: its full names, such as `registry.k8s.io/pause:3.10.2`, and its blobs."""

    names: tuple[str, ...]
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def manifest(self) -> Blob:
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.config.descriptor,
            "layers": [layer.descriptor for layer in self.layers],
        }
        return Blob.from_json(MANIFEST_TYPE, document)
