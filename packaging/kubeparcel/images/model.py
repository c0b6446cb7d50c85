"""What an image is made of: blobs known by their digests, and the names it goes by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

CHUNK_SIZE = 1 << 20
"""So many bytes of a file are in memory at a time."""


@dataclass(frozen=True)
class Blob:
    """Some bytes: in memory, or `size` bytes of a file from `offset` on. `sha256` is hex."""

    media_type: str
    sha256: str
    size: int
    data: bytes | None = None
    file: Path | None = None
    offset: int = 0

    @classmethod
    def from_bytes(cls, media: str, data: bytes) -> Blob:
        """A blob in memory."""
        return cls(media, hashlib.sha256(data).hexdigest(), len(data), data)

    @classmethod
    def from_json(cls, media: str, document: Any) -> Blob:
        """A JSON document, written the one way in which equal documents are equal bytes."""
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return cls.from_bytes(media, text.encode())

    @classmethod
    def from_file(cls, media: str, file: Path, offset: int = 0, size: int | None = None) -> Blob:
        """A part of a file, read once for its digest."""
        length = file.stat().st_size - offset if size is None else size
        found = cls(media, "", length, file=file, offset=offset)
        digest = hashlib.sha256()
        for piece in found.chunks():
            digest.update(piece)
        return cls(media, digest.hexdigest(), length, file=file, offset=offset)

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, some at a time."""
        if self.file is None:
            yield self.data or b""
            return
        with self.file.open("rb") as file:
            file.seek(self.offset)
            left = self.size
            while left > 0 and (piece := file.read(min(CHUNK_SIZE, left))):
                left -= len(piece)
                yield piece

    @property
    def path(self) -> str:
        """Its place in an archive."""
        return f"blobs/sha256/{self.sha256}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """How others of the archive refer to it."""
        return {"mediaType": self.media_type, "digest": f"sha256:{self.sha256}", "size": self.size}


@dataclass(frozen=True)
class Image:
    """One image: its full names, such as `registry.k8s.io/pause:3.10.2`, and its blobs."""

    names: tuple[str, ...]
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def manifest(self) -> Blob:
        """The document that ties the blobs together."""
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.config.descriptor,
            "layers": [layer.descriptor for layer in self.layers],
        }
        return Blob.from_json(MANIFEST_TYPE, document)
