"""Statements and SBOMs about packages of tests, as a build writes them next to the packages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from kubeparcel.files import sha256_of
from kubeparcel.trust.statement import PACKAGE_BUILD_TYPE, Resource, Statement


def packages_in(folder: Path) -> list[Path]:
    """Return the package files in a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".deb", ".rpm"))


def statement_about(package: Path, *materials: Resource) -> Statement:
    """Return a statement about a package file."""
    digest = {"sha256": sha256_of(package)}
    return Statement((Resource(package.name, digest=digest),), PACKAGE_BUILD_TYPE, {"settings": {}}, {}, materials)


def write_statements(out: Path, packages: Iterable[Path] | None = None) -> None:
    """Write a statement about each package, or those given, into the folder `attestations`."""
    folder = out / "attestations"
    folder.mkdir(exist_ok=True)
    for package in packages_in(out) if packages is None else packages:
        (folder / f"{package.name}.intoto.json").write_bytes(statement_about(package).dump())


def write_sboms(out: Path, packages: Iterable[Path] | None = None) -> None:
    """Write two SBOMs about each package, or those given, into the folder `sbom`."""
    folder = out / "sbom"
    folder.mkdir(exist_ok=True)
    for package in packages_in(out) if packages is None else packages:
        for suffix, document in _sboms(package).items():
            (folder / f"{package.name}{suffix}").write_text(json.dumps(document))


def write_side_files(out: Path) -> Path:
    """Write statements and SBOMs about the packages in a folder; return the folder."""
    write_statements(out)
    write_sboms(out)
    return out


def _sboms(package: Path) -> dict[str, object]:
    """Return the smallest documents about a package in both formats, by suffix."""
    name, sha256 = package.name, sha256_of(package)
    component = {"name": name, "version": "1", "hashes": [{"alg": "SHA-256", "content": sha256}]}
    described = {"SPDXID": "SPDXRef-p", "name": name, "versionInfo": "1"}
    checksums = [{"algorithm": "SHA256", "checksumValue": sha256}]
    relationship = {"relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-p"}
    return {
        ".cdx.json": {"bomFormat": "CycloneDX", "metadata": {"component": component}, "components": []},
        ".spdx.json": {
            "spdxVersion": "SPDX-2.3",
            "packages": [{**described, "checksums": checksums}],
            "relationships": [relationship],
        },
    }
