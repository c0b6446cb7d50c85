"""A small manifest, and what is written with it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.model import Arch, Format
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import ManifestFile, PackageManifest

PLAIN = b"x=1\n"
PROGRAM = b"#!/bin/sh\nexit 0\n"
TIME = 1_784_743_658  # 2026-07-22 18:07:38 UTC


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def small(format_: str = "deb", **changes: Any) -> PackageManifest:
    """A package with one of everything."""
    kind = Format(format_)
    package = PackageManifest(
        name="small",
        version="1.37.0~rc.1",
        revision="2",
        format=kind,
        arch=Arch.AMD64,
        component="",
        fields={
            "section": "admin",
            "summary": "A small thing",
            "description": "It is small.\n\nIt does little.",
            "license": "Apache-2.0",
            "homepage": "https://example.org",
            "maintainer": "Jane Doe <jane@example.org>",
            "vendor": "Example",
        },
        files=(
            ManifestFile("/etc/small", 0o755, "dir"),
            ManifestFile("/etc/small/small.conf", 0o640, sha256=digest(PLAIN), config=True),
            ManifestFile("/usr/bin/small", 0o755, sha256=digest(PROGRAM)),
            ManifestFile("/usr/bin/tiny", 0o777, "link", link="small"),
            ManifestFile("/usr/share/doc/small/NEWS", 0o644, sha256=digest(PLAIN), role="doc"),
        ),
        relations=(
            ("depends", "socat"),
            ("depends", "kubelet (<< 1.38~)"),
            ("recommends", "iptables (>= 1.8.4)"),
            ("suggests", "jq"),
            ("conflicts", "big"),
            ("breaks", "large (<< 3)"),
            ("replaces", "old (<< 2)"),
            ("provides", "thing"),
        ),
        scripts={"postinstall": "#!/bin/sh\necho hello\n"},
        note="Packaged by hand.",
        time=TIME,
        compression="fast",
    )
    return dataclasses.replace(package, **changes)


@pytest.fixture
def write(tmp_path):
    """Write a package with the real nfpm."""

    def make(package: PackageManifest) -> Path:
        folder = tmp_path / package.format
        folder.mkdir()
        sources = {}
        for data in (PLAIN, PROGRAM):
            sources[digest(data)] = folder / digest(data)
            sources[digest(data)].write_bytes(data)
        return nfpm.write_package(package, sources, folder)

    return make


def tar(*argv: str | Path) -> tarfile.TarFile:
    """Return the archive that a program prints."""
    result = subprocess.run(argv, capture_output=True, check=True)
    return tarfile.open(fileobj=io.BytesIO(result.stdout))
