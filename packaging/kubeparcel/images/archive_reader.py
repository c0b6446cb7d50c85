"""Reads archives of images that others wrote: docker save, podman save, ctr export, skopeo.

What is used of them is checked first: in an OCI layout every blob has to have its digest, in what
docker save writes every layer has to be the one that the image's configuration names.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from kubeparcel.errors import ArchiveError, DigestError
from kubeparcel.images.model import CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, Blob, Image
from kubeparcel.model import Arch

SUFFIXES = (".tar", ".tar.gz", ".tgz")
"""What names of such archives end with."""

_GZIP = b"\x1f\x8b"
_PACKED = {_GZIP: "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}
_INDEXES = {INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json"}
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_SMALL = 4 << 20
"""Documents are not larger."""


def read_archive(archive: Path, arch: Arch, scratch: Path) -> list[Image]:
    """The images of an archive that have a full name, for one architecture.

    A compressed archive is unpacked into `scratch`, which has to stay as long as the images are
    used. Raises ArchiveError for what is no archive of images, DigestError for a damaged one.
    """
    plain = _unpacked(archive, scratch)
    try:
        with tarfile.open(plain, "r:") as tar:
            entries = {_clean(entry.name): entry for entry in tar}
        opened = _Archive(archive, plain, entries, arch)
        return list(opened.by_index()) or list(opened.by_manifest())
    except (tarfile.TarError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"{archive} is not an archive of images: {error}.",
            "docker save, podman save and ctr images export write such archives.",
        ) from None


def image_names(archive: Path) -> list[str]:
    """The full names of the images in an archive that we wrote ourselves."""
    with tarfile.open(archive, "r:") as tar:
        file = tar.extractfile("manifest.json")
        rows = json.load(file) if file else []
    return [name for row in rows for name in row["RepoTags"]]


def _unpacked(archive: Path, scratch: Path) -> Path:
    with archive.open("rb") as file:
        if file.read(2) != _GZIP:
            return archive
    plain = scratch / f"{archive.name}.tar"
    try:
        with gzip.open(archive) as source, plain.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (gzip.BadGzipFile, EOFError) as error:
        raise ArchiveError(f"{archive} is damaged: {error}.") from None
    return plain


def _clean(name: str) -> str:
    return str(PurePosixPath(name))


@dataclass(frozen=True)
class _Archive:
    """An open archive: `file` is the plain tar of `shown`, the path that people know."""

    shown: Path
    file: Path
    entries: Mapping[str, tarfile.TarInfo]
    arch: Arch

    def by_index(self) -> Iterator[Image]:
        """The images that an OCI layout names."""
        if "index.json" not in self.entries:
            return
        for row in self._json(self._blob("index.json", ""))["manifests"]:
            notes = row.get("annotations") or {}
            name = next((notes[key] for key in _NAMES if "/" in notes.get(key, "")), "")
            manifest = self._manifest(row) if name else None
            if manifest:
                layers = tuple(self._checked(one) for one in manifest["layers"])
                yield Image((name,), self._checked(manifest["config"]), layers)

    def _manifest(self, row: Mapping[str, Any]) -> Any:
        """The manifest behind a row of an index, or the one of our architecture behind that."""
        if not self._there(row):
            return None
        document = self._json(self._checked(row))
        if row["mediaType"] not in _INDEXES:
            return document
        found = (self._manifest(one) for one in document["manifests"] if self._fits(one))
        return next((one for one in found if one), None)

    def _fits(self, row: Mapping[str, Any]) -> bool:
        platform = row.get("platform", {})
        return (platform.get("os"), platform.get("architecture")) == ("linux", str(self.arch))

    def _there(self, row: Mapping[str, Any]) -> bool:
        return f"blobs/{row['digest'].replace(':', '/', 1)}" in self.entries

    def _checked(self, row: Mapping[str, Any]) -> Blob:
        """A blob that an OCI document refers to; its bytes have to be the ones meant."""
        path = f"blobs/{row['digest'].replace(':', '/', 1)}"
        found = self._blob(path, _oci(row["mediaType"]))
        if f"sha256:{found.sha256}" != row["digest"]:
            raise DigestError(f"{self.shown}: {path} is damaged: its sha256 is {found.sha256}.")
        return found

    def by_manifest(self) -> Iterator[Image]:
        """The images that docker save, or podman save, wrote."""
        for row in self._json(self._blob("manifest.json", "")):
            names = tuple(name for name in row.get("RepoTags") or () if "/" in name)
            config = self._blob(row["Config"], CONFIG_TYPE)
            document = self._json(config)
            if names and document.get("architecture") == str(self.arch):
                layers = tuple(self._layer(path) for path in row["Layers"])
                self._compare(names[0], layers, document["rootfs"]["diff_ids"])
                yield Image(names, config, layers)

    def _layer(self, path: str) -> Blob:
        found = self._blob(path, LAYER_TYPE)
        head = next(found.chunks(), b"")
        packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")
        return replace(found, media_type=LAYER_TYPE + packed)

    def _compare(self, name: str, layers: tuple[Blob, ...], wanted: list[str]) -> None:
        """Plain layers are told by their digests; of packed ones the engine sees to it."""
        fit = len(layers) == len(wanted) and all(
            one.media_type != LAYER_TYPE or f"sha256:{one.sha256}" == digest
            for one, digest in zip(layers, wanted, strict=True)
        )
        if not fit:
            raise DigestError(f"{self.shown}: {name} is damaged: its layers are not its own.")

    def _blob(self, path: str, media: str) -> Blob:
        entry = self.entries[_clean(path)]
        if entry.issym() or entry.islnk():  # docker writes a layer that two images share once
            above = PurePosixPath(path).parent if entry.issym() else PurePosixPath()
            return self._blob(_up(above / entry.linkname), media)
        return Blob.from_file(media, self.file, entry.offset_data, entry.size)

    def _json(self, blob: Blob) -> Any:
        if blob.size > _SMALL:
            raise ValueError(f"a document of {blob.size:,} bytes")
        return json.loads(b"".join(blob.chunks()))


def _up(path: PurePosixPath) -> str:
    """A path without `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


def _oci(media: str) -> str:
    """OCI's name of what docker calls otherwise."""
    return {
        "application/vnd.docker.container.image.v1+json": CONFIG_TYPE,
        "application/vnd.docker.distribution.manifest.v2+json": MANIFEST_TYPE,
        "application/vnd.docker.image.rootfs.diff.tar": LAYER_TYPE,
        "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{LAYER_TYPE}+gzip",
    }.get(media, media)
