"""One archive with the images of a control plane, for a cluster without a registry.

Each image is taken from the first source that has it: the folder of archives, a reachable registry,
or a build from Go modules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import ToolError, UsageError
from kubeparcel.hosts.engine import Engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.selection import is_reachable
from kubeparcel.images.archive import PATH, SUFFIXES, read_archive, single_layer_image, write_archive
from kubeparcel.images.control_plane_build import BuildableImage, CompiledProgram, Compiler, buildable_images
from kubeparcel.images.layers import program_layer
from kubeparcel.images.model import Image
from kubeparcel.model import Arch, Version
from kubeparcel.store import Store

RECORDS = "control-plane-images"

RECIPE = 1
"""Increase it when the same inputs must result in another archive."""


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

    `image_names` are the lines of `kubeadm config images list`. Images that no source has and that cannot be built here
    (coredns, kube-proxy) are left out; the log names them. An archive with the same contents is built once. The images
    are upstream's release, also for a version with build metadata. Raises UnknownVersion if a module version does not
    exist, UsageError if the folder of archives does not exist.
    """
    locations = locations or ImageLocations.from_environment()
    sources = _ImageSources(locations, engine, arch or Arch.native(), log)
    job = _ArchiveJob(version.release, tuple(sorted(image_names)), store, sources)
    if archive := job.cached():
        return archive
    digest = hashlib.sha256(job.key.encode()).hexdigest()[:16]
    with store.lock(f"{RECORDS}-{digest}"):
        return job.cached() or job.build()


@dataclass(frozen=True)
class _ArchiveJob:
    version: Version
    image_names: tuple[str, ...]
    store: Store
    sources: _ImageSources

    @property
    def key(self) -> str:
        """All inputs of the archive, except whether a registry is reachable."""
        buildable = {name: [asdict(image), image.template_text] for name, image in buildable_images().items()}
        names, arch, state = self.image_names, self.sources.arch, self.sources.folder_state
        return json.dumps([RECIPE, str(self.version), names, arch, state, buildable])

    def cached(self) -> Path | None:
        """Return an archive from the store, unless a registry may have its missing images now."""
        record = self.store.get_record(RECORDS, self.key)
        if not record or not self.store.has(record["archive"]):
            return None
        if record["missing"] and self.sources.registries_reachable(record["missing"]):
            return None
        return self.store.get(record["archive"], "the archive of control-plane images")

    def build(self) -> Path:
        with self.store.scratch() as scratch:
            images = self.sources.from_folder(self.image_names, scratch)
            images |= self.sources.from_registry(self._missing(images), scratch)
            images |= self._build_images(self._missing(images), scratch)
            missing = self._missing(images)
            if missing:
                self.sources.log.info("Images", f"left out, not in any registry: {', '.join(missing)}")
            archive = scratch / "images.tar"
            write_archive([replace(image, names=(n,)) for n, image in images.items()], archive)
            sha256 = self.store.add(archive)
        self.store.put_record(RECORDS, self.key, {"archive": sha256, "missing": missing})
        return self.store.path(sha256)

    def _missing(self, images: Collection[str]) -> list[str]:
        return [name for name in self.image_names if name not in images]

    def _build_images(self, names: Sequence[str], scratch: Path) -> dict[str, Image]:
        """Build those of the images that can be built from Go modules."""
        parts = {name: name.rpartition("/")[2].partition(":") for name in names}
        buildable = {
            name: buildable_images()[short_name]
            for name, (short_name, _, _) in parts.items()
            if short_name in buildable_images()
        }
        compiler = Compiler(self.store, self.sources.log, self.sources.arch)
        commands = [image.command for image in buildable.values() if image.command]
        programs = compiler.compile_commands(self.version, commands)
        images = {}
        for name, image in buildable.items():
            program = programs.get(image.command) or compiler.compile_program(image, parts[name][2])
            images[name] = self._build_image(name, image, program, scratch)
        return images

    def _build_image(self, name: str, image: BuildableImage, program: CompiledProgram, scratch: Path) -> Image:
        binary = self.store.get(program.sha256, image.path)
        target = scratch / f"{Path(image.path).name}.layer.tar"
        layer = program_layer({image.path: binary}, program.released, target)
        config = {
            "Env": [f"PATH={PATH}"],
            "Entrypoint": image.entrypoint,
            "Cmd": [] if image.entrypoint else [Path(image.path).name],
            "User": image.user,
        }
        return single_layer_image(name, layer, self.sources.arch, program.released, config)


@dataclass(frozen=True)
class _ImageSources:
    """The folder and the registry of `locations`; without an engine, no registry is used."""

    locations: ImageLocations
    engine: Engine | None
    arch: Arch
    log: Log

    @property
    def folder_state(self) -> list[tuple[str, int, int, int]]:
        """The name, size, inode and ctime of each archive in the folder: programs set mtimes, but not ctimes."""
        stats = ((archive.name, archive.stat()) for archive in self._archives())
        return [(name, stat.st_size, stat.st_ino, stat.st_ctime_ns) for name, stat in stats]

    def from_folder(self, image_names: Collection[str], scratch: Path) -> dict[str, Image]:
        """Return those of the images that are in the folder of archives.

        Raises UsageError if the folder does not exist.
        """
        return {
            name: image
            for archive in self._archives()
            for image in read_archive(archive, self.arch, scratch)
            for name in image.names
            if name in image_names
        }

    def _archives(self) -> list[Path]:
        folder, files = self.locations.archive_folder, self.locations.archive_files
        if not folder:
            return list(files)
        if not folder.is_dir():
            raise UsageError(
                f"KUBEPARCEL_ARCHIVES: {folder} is not a folder.",
                "It must contain archives of images, written by docker save, podman save or ctr images export.",
            )
        return [*sorted(file for file in folder.iterdir() if file.name.endswith(SUFFIXES)), *files]

    def registries_reachable(self, image_names: Iterable[str]) -> bool:
        """Return whether there is an engine and all registries of the images are reachable."""
        registries = {self.locations.mirrored(name).partition("/")[0] for name in image_names}
        return bool(self.engine) and all(is_reachable(registry) for registry in registries)

    def from_registry(self, image_names: Collection[str], scratch: Path) -> dict[str, Image]:
        """Return those of the images that the registry has; the engine does not keep them."""
        if not image_names or not self.engine or not self.registries_reachable(image_names):
            return {}
        images = {name: self._pull(self.engine, name, scratch) for name in image_names}
        return {name: image for name, image in images.items() if image}

    def _pull(self, engine: Engine, name: str, scratch: Path) -> Image | None:
        name = self.locations.mirrored(name)
        existed = engine.has_image(name)
        try:
            with self.log.task("Pull", name, None):
                engine.pull(name)
        except ToolError as error:
            self.log.warn(f"Pulling {name} failed: {error.hint or error.message}")
            return None
        archive = scratch / f"{hashlib.sha256(name.encode()).hexdigest()}.tar"
        engine.save_images([name], archive)
        if not existed:
            engine.remove_image(name)
        return next(iter(read_archive(archive, self.arch, scratch)), None)
