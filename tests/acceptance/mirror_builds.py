"""Builds from a mirror of tiny binaries, with an empty cache, and what a finished one has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.acceptance import mirrors
from tests.acceptance.conftest import Site


def create_site(folder: Path) -> Site:
    """Return a folder below `folder`, with a cache and a mirror next to it, and no other settings."""
    (folder / "site").mkdir()
    settings = {
        "KUBEPARCEL_CACHE": str(folder / "cache"),
        "KUBEPARCEL_MIRROR": str(mirrors.fill(folder / "mirror")),
        "KUBEPARCEL_KUBERNETES": "1.36.3",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("KUBEPARCEL_")}
    return Site(folder / "site", {**others, **settings})


def assert_complete(site: Site) -> None:
    """Assert that all files with final names are complete; hidden partial files do not count."""
    for deb in site.folder.glob("dist/deb/*.deb"):
        subprocess.run(["dpkg-deb", "--contents", deb], capture_output=True, check=True)
    for rpm in site.folder.glob("dist/rpm/*.rpm"):
        subprocess.run(["rpm", "-K", "--nosignature", rpm], capture_output=True, check=True)
    sums = site.folder / "dist/SHA256SUMS"
    if sums.exists():
        command = ["sha256sum", "--check", "--quiet", "--strict", sums.name]
        subprocess.run(command, cwd=sums.parent, check=True)


def assert_build_succeeds(site: Site) -> None:
    site.run("build")
    assert len(list(site.folder.glob("dist/*/*.deb"))) == 5
    assert len(list(site.folder.glob("dist/*/*.rpm"))) == 5
    assert_complete(site)
