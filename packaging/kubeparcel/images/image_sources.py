"""Get finished images from a folder of archives or from a reachable registry."""

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
from kubeparcel.images.archive_reader import SUFFIXES, read_archive
from kubeparcel.images.model import Image
from kubeparcel.model import Arch


@dataclass(frozen=True)
class ImageSources:
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
        folder = self.locations.archive_folder
        if not folder:
            return []
        if not folder.is_dir():
            raise UsageError(
                f"KUBEPARCEL_ARCHIVES: {folder} is not a folder.",
                "It must contain archives of images, written by docker save, podman save or ctr images export.",
            )
        return sorted(file for file in folder.iterdir() if file.name.endswith(SUFFIXES))

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
