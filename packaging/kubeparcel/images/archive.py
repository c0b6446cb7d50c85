"""Archives of images: written for any engine, read as docker save, podman save, ctr images export or skopeo wrote them.

Everything that is read is verified first: in an OCI layout each blob must have its digest, in an archive of `docker
save` each layer must be the one in the image's configuration.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

from kubeparcel.errors import ArchiveError, DigestError
from kubeparcel.files import translate_os_errors
from kubeparcel.images.model import CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, Blob, Image
from kubeparcel.images.tar import END, read_entries, write_entry
from kubeparcel.model import Arch
from kubeparcel.times import iso_time

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The usual PATH of an image."""

SUFFIXES = (".tar", ".tar.gz", ".tgz")
"""The suffixes of image archives."""

_GZIP_MAGIC = b"\x1f\x8b"
_COMPRESSIONS = {_GZIP_MAGIC: "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}
_INDEX_TYPES = {INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json"}
_OCI_TYPES = {
    "application/vnd.docker.container.image.v1+json": CONFIG_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json": MANIFEST_TYPE,
    "application/vnd.docker.image.rootfs.diff.tar": LAYER_TYPE,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{LAYER_TYPE}+gzip",
}
"""OCI's media types by docker's."""
_NAME_ANNOTATIONS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_MAX_DOCUMENT_SIZE = 4 << 20


def single_layer_image(name: str, layer: Blob, arch: Arch, created: int, config: Mapping[str, Any]) -> Image:
    """Return an image with one uncompressed layer; `created` is in seconds since 1970.

    `config` are fields of OCI's image configuration, such as `Cmd`; empty ones are left out.
    """
    time = iso_time(created)
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
    return dict(zip(_NAME_ANNOTATIONS, (name, name.rpartition(":")[2]), strict=True))


def read_archive(archive: Path, arch: Arch, scratch: Path) -> list[Image]:
    """Return the images of an archive that have a full name, for one architecture.

    A compressed archive is unpacked into `scratch`, which must exist as long as the images are
    used. Raises ArchiveError if it is not an archive of images, DigestError if it is damaged.
    """
    plain = _decompressed(archive, scratch)
    try:
        reader = _ArchiveReader(archive, plain, read_entries(plain), arch)
        return list(reader.oci_images()) or list(reader.docker_images())
    except (tarfile.TarError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"{archive} is not an archive of images: {error}.",
            "Create archives with docker save, podman save or ctr images export.",
        ) from None


def _decompressed(archive: Path, scratch: Path) -> Path:
    with archive.open("rb") as file:
        if file.read(2) != _GZIP_MAGIC:
            return archive
    plain = scratch / f"{archive.name}.tar"
    try:
        with gzip.open(archive) as source, plain.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (gzip.BadGzipFile, EOFError) as error:
        raise ArchiveError(f"{archive} is damaged: {error}.") from None
    return plain


@dataclass(frozen=True)
class _ArchiveReader:
    """An archive with its entries by path; `plain` is its decompressed file. Each entry is hashed once."""

    archive: Path
    plain: Path
    entries: Mapping[str, tarfile.TarInfo]
    arch: Arch
    blobs: dict[str, Blob] = field(default_factory=dict)

    def oci_images(self) -> Iterator[Image]:
        if "index.json" not in self.entries:
            return
        for descriptor in self._json(self._blob("index.json", ""))["manifests"]:
            annotations = descriptor.get("annotations") or {}
            names = (annotations.get(key, "") for key in _NAME_ANNOTATIONS)
            name = next((name for name in names if "/" in name), "")
            manifest = self._manifest(descriptor) if name else None
            if manifest:
                layers = tuple(self._verified_blob(layer) for layer in manifest["layers"])
                yield Image((name,), self._verified_blob(manifest["config"]), layers)

    def _manifest(self, descriptor: Mapping[str, Any]) -> Any:
        """Return the manifest that a descriptor refers to, directly or for `arch` in an index.

        None if the archive does not contain it.
        """
        if _blob_path(descriptor) not in self.entries:
            return None
        document = self._json(self._verified_blob(descriptor))
        if descriptor["mediaType"] not in _INDEX_TYPES:
            return document
        manifests = (self._manifest(d) for d in document["manifests"] if self._is_for_arch(d))
        return next((manifest for manifest in manifests if manifest), None)

    def _is_for_arch(self, descriptor: Mapping[str, Any]) -> bool:
        platform = descriptor.get("platform", {})
        return (platform.get("os"), platform.get("architecture")) == ("linux", str(self.arch))

    def _verified_blob(self, descriptor: Mapping[str, Any]) -> Blob:
        """Return the blob of a descriptor; raise DigestError if its digest is wrong."""
        path = _blob_path(descriptor)
        media_type = descriptor["mediaType"]
        blob = self._blob(path, _OCI_TYPES.get(media_type, media_type))
        if f"sha256:{blob.sha256}" != descriptor["digest"]:
            raise DigestError(f"{self.archive}: {path} is damaged: its sha256 is {blob.sha256}.")
        return blob

    def docker_images(self) -> Iterator[Image]:
        """Yield the images of an archive that docker save or podman save wrote."""
        for entry in self._json(self._blob("manifest.json", "")):
            names = tuple(name for name in entry.get("RepoTags") or () if "/" in name)
            config = self._blob(entry["Config"], CONFIG_TYPE)
            document = self._json(config)
            if names and document.get("architecture") == str(self.arch):
                layers = tuple(self._layer(path) for path in entry["Layers"])
                self._verify_layers(names[0], layers, document["rootfs"]["diff_ids"])
                yield Image(names, config, layers)

    def _layer(self, path: str) -> Blob:
        blob = self._blob(path, LAYER_TYPE)
        start = next(blob.chunks(), b"")
        suffixes = (suffix for magic, suffix in _COMPRESSIONS.items() if start.startswith(magic))
        return replace(blob, media_type=LAYER_TYPE + next(suffixes, ""))

    def _verify_layers(self, name: str, layers: tuple[Blob, ...], diff_ids: list[str]) -> None:
        """Compare the digests of plain layers; those of compressed ones the engine verifies."""
        is_valid = len(layers) == len(diff_ids) and all(
            layer.media_type != LAYER_TYPE or f"sha256:{layer.sha256}" == diff_id
            for layer, diff_id in zip(layers, diff_ids, strict=True)
        )
        if not is_valid:
            raise DigestError(f"{self.archive}: {name} is damaged: its layers do not match its configuration.")

    def _blob(self, path: str, media_type: str) -> Blob:
        entry = self.entries[normpath(path)]
        if entry.issym() or entry.islnk():  # docker stores a layer that two images share once
            folder = dirname(path) if entry.issym() else ""
            return self._blob(join(folder, entry.linkname), media_type)
        if entry.name not in self.blobs:
            self.blobs[entry.name] = Blob.from_file(media_type, self.plain, entry.offset_data, entry.size)
        return replace(self.blobs[entry.name], media_type=media_type)

    def _json(self, blob: Blob) -> Any:
        if blob.size > _MAX_DOCUMENT_SIZE:
            raise ValueError(f"a JSON document has {blob.size:,} bytes")
        return json.loads(b"".join(blob.chunks()))


def _blob_path(descriptor: Mapping[str, Any]) -> str:
    return f"blobs/{descriptor['digest'].replace(':', '/', 1)}"
