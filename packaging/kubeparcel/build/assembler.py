"""Builds package files from manifests, and finds those that were built before."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.store import Store

RECIPE = 1
"""Increase it when the same inputs must produce different bytes."""


@dataclass(frozen=True)
class BuiltPackage:
    """A package file in the store: its digest, size in bytes and build time (0 if cached)."""

    manifest: PackageManifest
    sha256: str
    size: int
    seconds: float = 0.0


def manifest_digest(package: PackageManifest) -> str:
    """Return a digest of everything that determines the package's bytes."""
    inputs = {"recipe": RECIPE, "nfpm": nfpm.version(), "package": asdict(package)}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def cached_package(manifest: PackageManifest, store: Store) -> BuiltPackage | None:
    """Return the package that was built from a manifest before, if the store still has it."""
    record = store.get_record("package", manifest_digest(manifest))
    return BuiltPackage(manifest, **record) if record and store.has(record["sha256"], here=True) else None


def input_size(package: PackageManifest, store: Store) -> int:
    """Return the size in bytes of the package's files, as far as the store has them."""
    return sum(store.size(file.sha256) for file in package.files if file.sha256)


def discard_packages(failed: Sequence[BuiltPackage], packages: Sequence[BuiltPackage], store: Store) -> None:
    """Forget packages that failed a check, so that the next run builds them again.

    Raises DigestError, which names every damaged file of all packages of the build.
    """
    for package in failed:
        store.delete_record("package", manifest_digest(package.manifest))
    verify_inputs([package.manifest for package in packages], store)


def verify_inputs(packages: Sequence[PackageManifest], store: Store) -> None:
    """Verify the digests of the packages' files, each once; raise DigestError for damaged ones."""
    paths = {file.sha256: file.path for package in packages for file in package.files}
    paths.pop("", None)
    store.verify(paths)


def assemble_package(package: PackageManifest, store: Store) -> BuiltPackage:
    """Build one package into the store. Arguments and result can be sent to another process."""
    started = time.monotonic()
    sources = {file.sha256: store.local_path(file.sha256, file.path) for file in package.files if file.sha256}
    with store.scratch() as folder:
        file = nfpm.write_package(package, sources, folder)
        size = file.stat().st_size
        sha256 = store.add(file)
    built = BuiltPackage(package, sha256, size, time.monotonic() - started)
    record_package(built, store)
    return built


def record_package(built: BuiltPackage, store: Store) -> None:
    """Record a package that is in the store, for `cached_package`."""
    store.put_record("package", manifest_digest(built.manifest), {"sha256": built.sha256, "size": built.size})
