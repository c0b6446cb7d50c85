"""Mutants of SBOMs: documents that are not about the package they are next to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeparcel.files import sha256_of
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.reader import read_package
from kubeparcel.trust.document import serialize
from kubeparcel.trust.sbom_files import FORMATS
from kubeparcel.trust.subject import Subject

Change = Callable[[Any], Any]
CDX, SPDX = ".cdx.json", ".spdx.json"


@dataclass(frozen=True)
class SbomMutant:
    """A change of a document, and a part of the finding that reports it."""

    name: str
    suffix: str
    change: Change
    finding: str


def subject(package: Path, vendor: str = "acme", license_: str = "Apache-2.0") -> Subject:
    """Return a package file as the subject of SBOMs."""
    contents = read_package(package, InspectionCache(sha1=True))
    return Subject(contents, sha256_of(package), package.name, vendor, license_)


def write_sboms(package: Path, folder: Path | None = None) -> dict[str, Path]:
    """Write the SBOMs of a package next to it, and return their paths by suffix."""
    paths = {}
    for suffix, format_ in FORMATS.items():
        paths[suffix] = (folder or package.parent) / f"{package.name}{suffix}"
        paths[suffix].parent.mkdir(exist_ok=True)
        paths[suffix].write_bytes(serialize(format_.package_document(subject(package))))
    return paths


def change_sbom(path: Path, change: Change) -> None:
    """Replace a document by what `change` makes of it: a document, or bytes."""
    changed = change(json.loads(path.read_bytes()))
    path.write_bytes(changed if isinstance(changed, bytes) else serialize(changed))


def _edit(edit: Callable[[Any], object]) -> Change:
    def change(document: Any) -> Any:
        edit(document)
        return document

    return change


def _package(document: Any) -> Any:
    """Return the part of a document that describes the package itself."""
    return document["metadata"]["component"] if "metadata" in document else document["packages"][0]


def _file(document: Any, path: str) -> Any:
    parts = [*document.get("components", ()), *document.get("files", ())]
    return next(part for part in parts if path in (part.get("name"), part.get("fileName", "")[1:]))


def _set_digest(part: Any) -> None:
    for row in part.get("hashes", ()):
        row["content"] = "0" * 64
    for row in part.get("checksums", ()):
        row["checksumValue"] = "0" * len(row["checksumValue"])


SBOMS = tuple(
    SbomMutant(name, suffix, change, finding)
    for suffix in (CDX, SPDX)
    for name, change, finding in (
        ("another package", _edit(lambda d: _package(d).update(name="kubelet")), "kubelet 1.36.3-1"),
        (
            "another version",
            _edit(lambda d: _package(d).update(version="1.36.2-1", versionInfo="1.36.2-1")),
            "kubectl 1.36.2-1",
        ),
        ("another digest", _edit(lambda d: _set_digest(_package(d))), "sha256 0000"),
        ("no digest", _edit(lambda d: (_package(d).pop("hashes", 0), _package(d).pop("checksums", 0))), "no sha256"),
        ("another binary", _edit(lambda d: _set_digest(_file(d, "/usr/bin/kubectl"))), "/usr/bin/kubectl sha256 0000"),
        (
            "a file less",
            _edit(lambda d: d["components" if "components" in d else "files"].remove(_file(d, "/usr/bin/kubectl"))),
            "no /usr/bin/kubectl",
        ),
        ("text that is not JSON", lambda _: b"{", "is not valid JSON"),
        ("another kind of JSON", lambda _: b"[]", "is not a"),
        ("JSON that is too deep", lambda _: b"[" * 1000 + b"]" * 1000, "above the limit json-depth"),
        (
            "the other format",
            lambda d: {"spdxVersion": "SPDX-2.3"} if "bomFormat" in d else {"bomFormat": "CycloneDX"},
            "is not a",
        ),
    )
)
