"""One archive with the images of a control plane, for a cluster without a registry.

Each image is taken from the first source that has it: the folder of archives, a reachable registry,
or a build from Go modules. Typical use::

    names = node.run("kubeadm", "config", "images", "list", …).stdout.split()
    archive = build_archive(version, names, session.store, session.log, engine=session.engine)
    node.copy_in(archive, "/images.tar")
    node.run("ctr", "--namespace=k8s.io", "images", "import", "/images.tar")
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.hosts.engine import Engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.images.archive_writer import ImageConfig, single_layer_image, write_archive
from kubeparcel.images.control_plane_build import (
    BuildableImage,
    CompiledProgram,
    Compiler,
    buildable_images,
)
from kubeparcel.images.image_sources import ImageSources
from kubeparcel.images.layers import program_layer
from kubeparcel.images.model import Image
from kubeparcel.model import Arch, Version
from kubeparcel.store import Store

RECORDS = "control-plane-images"

RECIPE = 1
"""Increase it when the same inputs must result in another archive."""

IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build_archive(
    version: Version,
    image_names: Sequence[str],
    store: Store,
    log: Log,
    *,
    engine: Engine | None = None,
    locations: ImageLocations | None = None,
    arch: Arch | None = None,
) -> Path:
    """Return an archive with the images that kubeadm names, for this machine's architecture.

    `image_names` are the lines of `kubeadm config images list`. Images that no source has and that
    cannot be built here, coredns and kube-proxy, are left out, which is logged. An archive with the
    same contents is built once. Raises UnknownVersion if a module version does not exist,
    UsageError if the folder of archives does not exist.
    """
    job = _ArchiveJob(version, tuple(sorted(image_names)), store, log, arch or Arch.native())
    locations = locations or ImageLocations.from_environment()
    sources = ImageSources(locations, engine, job.arch, log)
    if archive := job.cached(sources):
        return archive
    digest = hashlib.sha256(job.key(sources).encode()).hexdigest()[:16]
    with store.lock(f"{RECORDS}-{digest}"):
        return job.cached(sources) or job.build(sources)


@dataclass(frozen=True)
class _ArchiveJob:
    version: Version
    image_names: tuple[str, ...]
    store: Store
    log: Log
    arch: Arch

    def key(self, sources: ImageSources) -> str:
        """Return all inputs of the archive, except whether a registry is reachable."""
        buildable = {
            name: [asdict(image), image.template_text] for name, image in buildable_images().items()
        }
        names, state = self.image_names, sources.folder_state
        return json.dumps([RECIPE, str(self.version), names, self.arch, state, buildable])

    def cached(self, sources: ImageSources) -> Path | None:
        """Return an archive from the store, unless a registry may have its missing images now."""
        record = self.store.get_record(RECORDS, self.key(sources))
        if not record or not self.store.has(record["archive"]):
            return None
        if record["missing"] and sources.registries_reachable(record["missing"]):
            return None
        return self.store.path(record["archive"])

    def build(self, sources: ImageSources) -> Path:
        """Collect the images and store their archive."""
        with self.store.scratch() as scratch:
            images = sources.from_folder(self.image_names, scratch)
            images |= sources.from_registry(self._missing(images), scratch)
            images |= self._build_images(self._missing(images), scratch)
            missing = self._missing(images)
            if missing:
                self.log.info("Images", f"left out, not in any registry: {', '.join(missing)}")
            archive = scratch / "images.tar"
            write_archive([replace(image, names=(n,)) for n, image in images.items()], archive)
            sha256 = self.store.add(archive)
        record = {"archive": sha256, "missing": missing}
        self.store.put_record(RECORDS, self.key(sources), record)
        return self.store.path(sha256)

    def _missing(self, images: Collection[str]) -> list[str]:
        return [name for name in self.image_names if name not in images]

    def _build_images(self, names: Sequence[str], scratch: Path) -> dict[str, Image]:
        """Build those of the images that can be built from Go modules."""
        buildable = {
            name: buildable_images()[_last_part(name)]
            for name in names
            if _last_part(name) in buildable_images()
        }
        compiler = Compiler(self.store, self.log, self.arch)
        commands = [image.command for image in buildable.values() if image.command]
        programs = compiler.compile_commands(self.version, commands)
        images = {}
        for name, image in buildable.items():
            program = programs.get(image.command) or compiler.compile_program(image, _tag(name))
            images[name] = self._build_image(name, image, program, scratch)
        return images

    def _build_image(
        self, name: str, image: BuildableImage, program: CompiledProgram, scratch: Path
    ) -> Image:
        binary = self.store.get(program.sha256, image.path)
        target = scratch / f"{_last_part(name)}.layer.tar"
        layer = program_layer({image.path: binary}, program.released, target)
        config = ImageConfig(
            arch=self.arch,
            created=program.released,
            env={"PATH": IMAGE_PATH},
            entrypoint=image.entrypoint,
            command=() if image.entrypoint else (Path(image.path).name,),
            user=image.user,
        )
        return single_layer_image(name, config, layer)


def _last_part(name: str) -> str:
    """Return `kube-apiserver` for `registry.k8s.io/kube-apiserver:v1.36.3`."""
    return name.rpartition("/")[2].partition(":")[0]


def _tag(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[2]
