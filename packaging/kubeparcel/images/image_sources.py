"""Where finished images may be had: a folder of archives, a registry that answers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import ToolError, UsageError
from kubeparcel.hosts.engine import Engine
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.selection import is_reachable
from kubeparcel.images import archive_reader
from kubeparcel.images.model import Image
from kubeparcel.model import Arch


@dataclass(frozen=True)
class ImageSources:
    """A folder and a registry, as this machine's places name them, for one architecture.

    Without an engine no registry is asked.
    """

    locations: ImageLocations
    engine: Engine | None
    arch: Arch
    log: Log

    @property
    def folder_state(self) -> list[tuple[str, int, int]]:
        """What the folder holds now: other files may give other images."""
        files = ((file, file.stat()) for file in self._archives())
        return [(file.name, found.st_size, found.st_mtime_ns) for file, found in files]

    def from_folder(self, image_names: Collection[str], scratch: Path) -> dict[str, Image]:
        """Those of the images that the folder has; raises UsageError when it is none."""
        return {
            name: one
            for file in self._archives()
            for one in archive_reader.read_archive(file, self.arch, scratch)
            for name in one.names
            if name in image_names
        }

    def _archives(self) -> list[Path]:
        folder = self.locations.archive_folder
        if not folder:
            return []
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is no folder with archives of images.",
                "docker save, podman save or ctr images export write such archives.",
            )
        return sorted(
            file for file in folder.iterdir() if file.name.endswith(archive_reader.SUFFIXES)
        )

    def registries_reachable(self, images: Iterable[str]) -> bool:
        """Whether there is a registry that can be asked for these images."""
        registries = {self._name(image).partition("/")[0] for image in images}
        return bool(self.engine) and all(is_reachable(registry) for registry in registries)

    def from_registry(self, image_names: Collection[str], scratch: Path) -> dict[str, Image]:
        """Those of the images that a registry has, through the engine, which does not keep them."""
        if not image_names or not self.engine or not self.registries_reachable(image_names):
            return {}
        found = {name: self._pulled(self.engine, self._name(name), scratch) for name in image_names}
        return {name: image for name, image in found.items() if image}

    def _name(self, image: str) -> str:
        """An image's name in the registry that stands for its own."""
        mirror = self.locations.registry
        return f"{mirror}/{image.partition('/')[2]}" if mirror else image

    def _pulled(self, engine: Engine, name: str, scratch: Path) -> Image | None:
        had = engine.has_image(name)
        try:
            with self.log.task("Pull", name, None):
                engine.pull(name)
        except ToolError as error:
            self.log.warn(f"{name} cannot be pulled: {error.hint or error.message}")
            return None
        file = scratch / f"{hashlib.sha256(name.encode()).hexdigest()}.tar"
        engine.save_images([name], file)
        if not had:
            engine.remove_image(name)
        return next(iter(archive_reader.read_archive(file, self.arch, scratch)), None)
