"""Where base images and control plane images come from: registries, mirrors and a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.hosts.catalog import Host
from kubeparcel.paths import user_path

_ARCHIVE = re.compile(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian/?)(?:\s|$)", re.MULTILINE)


@dataclass(frozen=True)
class ImageLocations:
    """Replacements for the default locations.

    `registry` replaces the registry in every image's name, `host_images` the whole image of a host. `debian_archive` is
    the URL of the archive that suites are bootstrapped from; if it is empty, mmdebstrap decides. `archive_folder`
    contains control plane images as `docker save` and `podman save` write them, as `archive_files` are.
    """

    registry: str = ""
    debian_archive: str = ""
    host_images: Mapping[str, str] = field(default_factory=dict)
    archive_folder: Path | None = None
    archive_files: tuple[Path, ...] = ()

    @classmethod
    def from_environment(cls, root: Path = Path("/")) -> ImageLocations:
        """Read KUBEPARCEL_REGISTRY, _DEBIAN, _IMAGES (`rocky-9=HOST/NAME:TAG,…`) and _ARCHIVES.

        Without KUBEPARCEL_DEBIAN, a Debian machine's own archive is used.
        """
        pairs = [entry.partition("=") for entry in os.environ.get("KUBEPARCEL_IMAGES", "").split(",")]
        folder = os.environ.get("KUBEPARCEL_ARCHIVES", "")
        return cls(
            registry=os.environ.get("KUBEPARCEL_REGISTRY", "").rstrip("/"),
            debian_archive=os.environ.get("KUBEPARCEL_DEBIAN", "") or _local_archive(root),
            host_images={name.strip(): image.strip() for name, _, image in pairs if image},
            archive_folder=user_path(folder) if folder else None,
        )

    def base_image(self, host: Host) -> str:
        """Return the name of the image to pull for a host."""
        if host.name in self.host_images:
            return self.host_images[host.name]
        return self.mirrored(host.image)

    def mirrored(self, image: str) -> str:
        """Return an image's name in the registry that replaces its own."""
        return f"{self.registry}/{image.partition('/')[2]}" if self.registry else image


def _local_archive(root: Path) -> str:
    """Return the first archive in apt's sources if the machine runs Debian."""
    try:
        os_release = (root / "etc/os-release").read_text("utf-8")
    except OSError:
        return ""
    if not re.search(r"^ID=\"?debian\"?$", os_release, re.MULTILINE):
        return ""
    apt = root / "etc/apt"
    files = [*sorted((apt / "sources.list.d").glob("*.sources")), apt / "sources.list"]
    text = "\n".join(file.read_text("utf-8", "replace") for file in files if file.is_file())
    archive = _ARCHIVE.search(text)
    return archive[1].rstrip("/") if archive else ""
