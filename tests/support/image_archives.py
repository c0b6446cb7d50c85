"""What is inside an archive of images."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path


def image_names(archive: Path) -> list[str]:
    """Return the names of the images in an archive that kubeparcel wrote."""
    with tarfile.open(archive, "r:") as tar:
        file = tar.extractfile("manifest.json")
        images = json.load(file) if file else []
    return [name for image in images for name in image["RepoTags"]]
