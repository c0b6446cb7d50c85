"""SBOM files next to packages: their names, what they claim, and whether that is true of a package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from kubeparcel.files import sha256_of, translate_os_errors
from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.json_document import parse_json
from kubeparcel.packages.model import PackageContents
from kubeparcel.paths import display_path
from kubeparcel.trust import cyclonedx, spdx
from kubeparcel.trust.document import SbomClaims, serialize

FOLDER = "sbom"
"""The folder of SBOMs in the output folder."""

FORMATS: Mapping[str, ModuleType] = {cyclonedx.SUFFIX: cyclonedx, spdx.SUFFIX: spdx}
"""The module of each format, by the suffix that its files add to the name of the package."""

_MALFORMED = (KeyError, TypeError, AttributeError, IndexError, ValueError)


@dataclass(frozen=True)
class SbomFile:
    """An SBOM next to a package: its path as messages show it, its claims or the problem, the package's SHA-256."""

    path: str
    claims: SbomClaims | None
    problem: str
    package_sha256: str


def sbom_paths(subjects: Iterable[str]) -> list[str]:
    """Return the paths in the output folder of the SBOMs of package files, or of a release, by their names."""
    return [f"{FOLDER}/{name}{suffix}" for name in subjects for suffix in FORMATS]


def sbom_files(package: Path) -> list[Path]:
    """Return the SBOMs of a package: in its folder, or in a folder `sbom` there or next to it."""
    folders = (package.parent, package.parent / FOLDER, package.parent.parent / FOLDER)
    paths = (folder / f"{package.name}{suffix}" for suffix in FORMATS for folder in folders)
    return [path for path in paths if path.is_file()]


def read_sboms(package: Path) -> tuple[SbomFile, ...]:
    """Return the SBOMs of a package, with what they claim or why they cannot be read."""
    paths = sbom_files(package)
    sha256 = sha256_of(package) if paths else ""
    return tuple(_read_or_problem(path, sha256) for path in paths)


def _read_or_problem(path: Path, package_sha256: str) -> SbomFile:
    try:
        return SbomFile(display_path(path), read_sbom(path), "", package_sha256)
    except MalformedData as error:
        return SbomFile(display_path(path), None, str(error), package_sha256)


def read_sbom(path: Path) -> SbomClaims:
    """Return what an SBOM file claims; raise MalformedData if it is not a valid one."""
    with translate_os_errors(path):
        limits.SBOM.check(path.stat().st_size, path.name)
        return parse_sbom(path.read_bytes(), path.name)


def parse_sbom(data: bytes, name: str) -> SbomClaims:
    """Return what the SBOM `name` claims; raise MalformedData if it is not a valid one."""
    document, format_ = parse_json(data, name), _format(name)
    try:
        claims: SbomClaims = format_.parse(document)
    except _MALFORMED:
        raise MalformedData(f"{name} is not a {format_.TITLE} document of a package") from None
    return claims


def _format(name: str) -> ModuleType:
    return next(module for suffix, module in FORMATS.items() if name.endswith(suffix))


def for_signed_copy(data: bytes, name: str, built: str, published: str) -> bytes:
    """Return the SBOM `name` for a copy whose SHA-256 a signature changed, with an identifier of its own."""
    text = re.sub(re.escape(built), published, data.decode(), flags=re.IGNORECASE)
    document = parse_json(text.encode(), name)
    format_ = _format(name)
    if document.get(format_.IDENTIFIER):
        content = {key: value for key, value in document.items() if key != format_.IDENTIFIER}
        document[format_.IDENTIFIER] = format_.identifier(content)
    return serialize(document)


def contradictions(claims: SbomClaims, name: str, version: str, sha256: str) -> Iterator[tuple[str, str]]:
    """Yield what is true of a package and what an SBOM claims, for each difference."""
    if (claims.name, claims.version) != (name, version):
        yield f"{name} {version}", f"{claims.name} {claims.version}"
    if claims.sha256 != sha256:
        yield f"sha256 {sha256} of the package", f"sha256 {claims.sha256}" if claims.sha256 else "no sha256"


def file_contradictions(claims: SbomClaims, contents: PackageContents) -> Iterator[tuple[str, str]]:
    """Yield the digest of each file and what an SBOM claims of it, for each difference."""
    digests = {entry.path: entry.sha256 for entry in contents.entries if entry.sha256}
    for path in sorted({*digests, *claims.files}):
        if digests.get(path) != claims.files.get(path):
            yield _digest(path, digests.get(path)), _digest(path, claims.files.get(path))


def _digest(path: str, sha256: str | None) -> str:
    return f"{path} sha256 {sha256}" if sha256 is not None else f"no {path}"
