"""The images of a control plane in one archive, for a cluster that has no registry.

Each image is taken from the first place that has it: a folder of archives, a registry that answers,
or else it is built here, from Go modules, on nothing below. The way in, for the level cluster::

    wanted = box.run("kubeadm", "config", "images", "list", …).stdout.split()
    file = control_plane.archive(version, wanted, here.store, here.log, engine=here.engine)
    box.put(file, "/images.tar")
    box.run("ctr", "--namespace=k8s.io", "images", "import", "/images.tar")
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.hosts.engine import Engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.images import archive_writer, layers
from kubeparcel.images.archive_writer import ImageConfig
from kubeparcel.images.control_plane_build import (
    BuildableImage,
    CompiledProgram,
    Compiler,
    buildable_images,
)
from kubeparcel.images.image_sources import ImageSources
from kubeparcel.images.model import Image
from kubeparcel.model import Arch, Version
from kubeparcel.store import Store

RECORDS = "control-plane-images"

RECIPE = 1
"""Raised when the same images are to give another archive."""

IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def control_plane_archive(
    version: Version,
    image_names: Sequence[str],
    store: Store,
    log: Log,
    *,
    engine: Engine | None = None,
    locations: ImageLocations | None = None,
    arch: Arch | None = None,
) -> Path:
    """One archive with the images that kubeadm names, for this machine's architecture.

    `wanted` are lines of `kubeadm config images list`; the images go by these names. What cannot
    be had anywhere, and cannot be built here, is left out with a word in the log: coredns and
    kube-proxy. The same images are not made twice. Raises UnknownVersion when a module is not
    published, UsageError when the folder is none.
    """
    work = _ArchiveJob(version, tuple(sorted(image_names)), store, log, arch or Arch.native())
    origins = ImageSources(locations or ImageLocations.from_environment(), engine, work.arch, log)
    if found := work.known(origins):
        return found
    with store.lock(f"{RECORDS}-{hashlib.sha256(work.key(origins).encode()).hexdigest()[:16]}"):
        return work.known(origins) or work.make(origins)


@dataclass(frozen=True)
class _ArchiveJob:
    """What is wanted, and what making it needs."""

    version: Version
    wanted: tuple[str, ...]
    store: Store
    log: Log
    arch: Arch

    def key(self, origins: ImageSources) -> str:
        """All that decides what the archive holds, but for a registry that comes and goes."""
        rows = {name: [asdict(row), row.template_text] for name, row in buildable_images().items()}
        return json.dumps(
            [RECIPE, str(self.version), self.wanted, self.arch, origins.folder_state, rows]
        )

    def known(self, origins: ImageSources) -> Path | None:
        """An archive made before; not one that lacks images a registry may have now."""
        found = self.store.get_record(RECORDS, self.key(origins))
        if not found or not self.store.has(found["archive"]):
            return None
        if found["missing"] and origins.registries_reachable(found["missing"]):
            return None
        return self.store.path(found["archive"])

    def make(self, origins: ImageSources) -> Path:
        """Gather the images, write the archive, remember it."""
        with self.store.scratch() as scratch:
            found = origins.from_folder(self.wanted, scratch)
            found |= origins.from_registry(self._left(found), scratch)
            found |= self._built(self._left(found), scratch)
            missing = self._left(found)
            if missing:
                self.log.info(
                    "Images", f"left out, no registry has them here: {', '.join(missing)}"
                )
            file = scratch / "images.tar"
            archive_writer.write_archive(
                [replace(one, names=(name,)) for name, one in found.items()], file
            )
            sha256 = self.store.add(file)
        self.store.put_record(RECORDS, self.key(origins), {"archive": sha256, "missing": missing})
        return self.store.path(sha256)

    def _left(self, found: Mapping[str, Image]) -> list[str]:
        return [name for name in self.wanted if name not in found]

    def _built(self, left: Sequence[str], scratch: Path) -> dict[str, Image]:
        """The images of the table, from Go modules."""
        rows = {
            name: buildable_images()[last]
            for name in left
            if (last := _last(name)) in buildable_images()
        }
        compiler = Compiler(self.store, self.log, self.arch)
        wanted = [row.command for row in rows.values() if row.command]
        commands = compiler.compile_commands(self.version, wanted)
        return {
            name: self._image(
                name,
                row,
                commands.get(row.command) or compiler.compile_program(row, _tag(name)),
                scratch,
            )
            for name, row in rows.items()
        }

    def _image(
        self, name: str, row: BuildableImage, program: CompiledProgram, scratch: Path
    ) -> Image:
        binary = self.store.get(program.sha256, row.path)
        target = scratch / f"{_last(name)}.layer.tar"
        made = layers.program_layer({row.path: binary}, program.released, target)
        config = ImageConfig(
            arch=self.arch,
            created=program.released,
            env={"PATH": IMAGE_PATH},
            entrypoint=row.entrypoint,
            command=() if row.entrypoint else (Path(row.path).name,),
            user=row.user,
        )
        return archive_writer.single_layer_image(name, config, made)


def _last(name: str) -> str:
    """`kube-apiserver` of `registry.k8s.io/kube-apiserver:v1.36.3`."""
    return name.rpartition("/")[2].partition(":")[0]


def _tag(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[2]
