"""Where hosts and images come from on this machine: a registry or a mirror of the site's own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.hosts.catalog import Host

_ARCHIVE = re.compile(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian/?)(?:\s|$)", re.MULTILINE)


@dataclass(frozen=True)
class ImageLocations:
    """`registry` stands for the registry in every host's image; `images` has other images by host.

    `debian` is the archive that hosts are made from; empty is mmdebstrap's own choice. `archives`
    is a folder with images of a control plane, as docker save or podman save write them.
    """

    registry: str = ""
    debian_archive: str = ""
    host_images: Mapping[str, str] = field(default_factory=dict)
    archive_folder: Path | None = None

    @classmethod
    def from_environment(cls, root: Path = Path("/")) -> ImageLocations:
        """What KUBEPARCEL_REGISTRY, _DEBIAN, _IMAGES (`rocky-9=HOST/NAME:TAG,…`) and _ARCHIVES say.

        Without KUBEPARCEL_DEBIAN the archive is the one that this machine itself uses.
        """
        pairs = [word.partition("=") for word in os.environ.get("KUBEPARCEL_IMAGES", "").split(",")]
        folder = os.environ.get("KUBEPARCEL_ARCHIVES", "")
        return cls(
            registry=os.environ.get("KUBEPARCEL_REGISTRY", "").rstrip("/"),
            debian_archive=os.environ.get("KUBEPARCEL_DEBIAN", "") or _local_archive(root),
            host_images={name.strip(): image.strip() for name, _, image in pairs if image},
            archive_folder=Path(folder).expanduser().absolute() if folder else None,
        )

    def base_image(self, host: Host) -> str:
        """The image to pull for a host."""
        if host.name in self.host_images:
            return self.host_images[host.name]
        if self.registry:
            return f"{self.registry}/{host.image.partition('/')[2]}"
        return host.image


def _local_archive(root: Path) -> str:
    """The first Debian archive in apt's sources, when this machine runs Debian."""
    try:
        release = (root / "etc/os-release").read_text("utf-8")
    except OSError:
        return ""
    if not re.search(r"^ID=\"?debian\"?$", release, re.MULTILINE):
        return ""
    apt = root / "etc/apt"
    files = [*sorted((apt / "sources.list.d").glob("*.sources")), apt / "sources.list"]
    text = "\n".join(file.read_text("utf-8", "replace") for file in files if file.is_file())
    found = re.findall(
        r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian/?)(?:\s|$)", text, re.MULTILINE
    )
    return found[0].rstrip("/") if found else ""
