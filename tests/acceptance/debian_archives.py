"""Small Debian systems as archives, bootstrapped once and kept between runs."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from kubeparcel.hosts.image_locations import ImageLocations


def debian_archive(cache: Path, suite: str, *options: str) -> Path:
    """Return a tar archive that mmdebstrap made with these options; `cache` has those of earlier runs."""
    digest = hashlib.sha256(" ".join([suite, *options]).encode()).hexdigest()[:12]
    archive = cache / "tests" / f"debian-{suite}-{digest}.tar.gz"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        mirror = ImageLocations.from_environment().debian_archive
        variant = () if any(option.startswith("--variant") for option in options) else ("--variant=minbase",)
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            part = Path(folder, archive.name)
            command = ["mmdebstrap", "--quiet", *variant, *options, suite, str(part), *([mirror] if mirror else [])]
            subprocess.run(command, capture_output=True, check=True)
            part.rename(archive)
    return archive
