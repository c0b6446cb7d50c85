"""The SBOMs of a build: of each package, and of the release.

They are read from finished packages, and cached in the store by the package's digest.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.lock_models import Lock
from kubeparcel.paths import source_digest
from kubeparcel.store import Store
from kubeparcel.trust.document import serialize
from kubeparcel.trust.sbom_files import FORMATS, sbom_paths
from kubeparcel.trust.subject import Subject

if TYPE_CHECKING:
    from kubeparcel.packages.model import PackageContents

KIND = "sbom"


@functools.cache
def _code_digest() -> str:
    return source_digest("trust/**/*.py", "packages/**/*.py", "__init__.py")


def _key(built: BuiltPackage) -> str:
    fields = built.manifest.fields
    return "\n".join([_code_digest(), built.sha256, fields["vendor"], fields["license"], built.manifest.file_name])


def add_sboms(built: BuiltPackage, contents: PackageContents, store: Store) -> Mapping[str, str]:
    """Write the SBOMs of a package into the store, and return their digests by suffix."""
    manifest = built.manifest
    name = PurePosixPath(manifest.file_name).name
    subject = Subject(contents, built.sha256, name, manifest.fields["vendor"], manifest.fields["license"])
    digests = {
        suffix: store.add_bytes(serialize(format_.package_document(subject))) for suffix, format_ in FORMATS.items()
    }
    store.put_record(KIND, _key(built), digests)
    return digests


def _cached_sboms(built: BuiltPackage, store: Store) -> Mapping[str, str] | None:
    digests = store.get_record(KIND, _key(built))
    is_complete = isinstance(digests, dict) and digests.keys() == FORMATS.keys()
    return digests if is_complete and all(store.has(sha256, here=True) for sha256 in digests.values()) else None


def _package_sboms(built: BuiltPackage, store: Store) -> Mapping[str, str]:
    """Return the digests of a package's SBOMs; the package is read unless they are in the store."""
    if cached := _cached_sboms(built, store):
        return cached
    from kubeparcel.packages.inspection import InspectionCache
    from kubeparcel.packages.reader import read_package

    path = store.get(built.sha256, built.manifest.file_name)
    return add_sboms(built, read_package(path, InspectionCache(store.digest, sha1=True)), store)


def sbom_subjects(lock: Lock, packages: Sequence[BuiltPackage]) -> list[str]:
    """Return the names of what a build writes SBOMs of: its packages, and the release."""
    names = [PurePosixPath(built.manifest.file_name).name for built in packages]
    kubernetes = lock.component("kubernetes")
    return [*names, *(f"{kubernetes.name}-{kubernetes.version}-{built.manifest.revision}" for built in packages[:1])]


def build_sboms(lock: Lock, packages: Sequence[BuiltPackage], store: Store) -> dict[str, str]:
    """Return the digest of each SBOM of a build by its path in the output folder; all are in the store."""
    rows = [_package_sboms(built, store) for built in packages]
    version = str(lock.component("kubernetes").version)
    release = {
        suffix: _release_sbom(format_, version, [row[suffix] for row in rows], store)
        for suffix, format_ in FORMATS.items()
    }
    paths = sbom_paths(sbom_subjects(lock, packages))
    return dict(zip(paths, (row[suffix] for row in (*rows, release) for suffix in FORMATS), strict=True))


def _release_sbom(format_: ModuleType, version: str, packages: Sequence[str], store: Store) -> str:
    """Return the digest of the release's document, which is made from those of its packages."""
    key = "\n".join([_code_digest(), version, *packages])
    sha256 = store.get_record(KIND, key)
    if not isinstance(sha256, str) or not store.has(sha256):
        documents = [json.loads(store.get(package, "an SBOM").read_bytes()) for package in packages]
        sha256 = store.add_bytes(serialize(format_.release_document("kubernetes", version, documents)))
        store.put_record(KIND, key, sha256)
    return sha256
