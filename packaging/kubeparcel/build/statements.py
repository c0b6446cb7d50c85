"""Writes a provenance statement for each package to the output folder; publishing signs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.lock import document as lock_document
from kubeparcel.build.lock.components import locked_components, toolchain_of
from kubeparcel.config.patch_settings import applicable_patches
from kubeparcel.files import atomic_write, sha256_of
from kubeparcel.lock_models import Binaries, Lock
from kubeparcel.packages import nfpm
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.trust.package_statement import (
    NOT_SIGNED,
    SIGNER,
    artifact_material,
    describe_package,
    toolchain_materials,
)
from kubeparcel.trust.statement import Resource, Statement

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings

FOLDER = "attestations"
SUFFIX = ".intoto.json"

NOT_INPUTS = (
    *("out", "releases", "mirror", "trees", "arch", "format", "require-signatures", "accept-sha1", "trust-root"),
    *("cache-remote", "workers", "workers-tls"),
)
"""Settings that do not change a package: where it comes from and goes to, and which others are built."""


def write_statements(
    packages: Sequence[BuiltPackage], settings: Settings, lock: Lock, binaries: Binaries, out: Path
) -> None:
    """Write the statements that are new or changed."""
    describe = StatementWriter(settings, lock, binaries)
    for built in packages:
        path = statement_path(out, built.manifest.file_name)
        data = describe(built.manifest, built.sha256).dump() + b"\n"
        if not path.is_file() or path.read_bytes() != data:
            with atomic_write(path) as temporary:
                temporary.write_bytes(data)


def statement_path(out: Path, file_name: str) -> Path:
    """Return the path of the statement about a package of the output folder, such as `deb/NAME.deb`."""
    return out / FOLDER / f"{file_name.rpartition('/')[2]}{SUFFIX}"


class StatementWriter:
    """Describes the packages of a build."""

    def __init__(self, settings: Settings, lock: Lock, binaries: Binaries) -> None:
        document = settings.as_document()
        self._parameters: dict[str, Any] = {name: document[name] for name in document if name not in NOT_INPUTS}
        self._parameters["source"] = settings.source_kind
        self._settings, self._lock, self._binaries = settings, lock, binaries
        self._lock_document, self._nfpm = lock_document.document(lock), nfpm.version()
        self._signed = {name for name, spec in locked_components(lock).items() if spec.signatures}

    def __call__(self, manifest: PackageManifest, sha256: str) -> Statement:
        used = {file.sha256 for file in manifest.files}
        fetched = self._binaries.get((manifest.component, manifest.arch), {}) if manifest.arch else {}
        binaries = {name: digest for name, digest in fetched.items() if digest in used}
        artifacts = [
            artifact
            for artifact in (self._lock.component(manifest.component).artifacts if binaries else ())
            if artifact.arch == manifest.arch and (artifact.name in binaries or artifact.name == artifact.component)
        ]
        materials = (
            *(artifact_material(a, signed=a.component in self._signed) for a in artifacts),
            *toolchain_materials(toolchain_of(self._lock, manifest.component) if binaries else "", self._nfpm),
            *(_patches(self._lock, manifest.component) if binaries else ()),
            *_local_files(self._settings, manifest.name),
        )
        return describe_package(
            manifest, sha256, self._parameters, self._lock_document, materials, binaries, self._nfpm
        )


def _patches(lock: Lock, component: str) -> Iterator[Resource]:
    """Yield the patches of a component."""
    version = lock.component(component).version.release
    for patch in applicable_patches(lock.request.variant, component, version):
        digest = {"sha256": patch.sha256}
        if "://" in patch.location:
            yield Resource(patch.name, patch.location, digest, {SIGNER: NOT_SIGNED})
        else:
            yield Resource(f"file:{patch.location}", digest=digest)


def _local_files(settings: Settings, package: str) -> Iterator[Resource]:
    """Yield the user's files and templates that a package is made from."""
    spec = settings.packages.get(package)
    if spec is None:
        return
    names = {name for row in spec.files for name in (row.source, row.template)} | {s.template for s in spec.scripts}
    for name in sorted(names - {""}):
        path = settings.base / name
        if path.is_file():
            yield Resource(f"file:{name}", digest={"sha256": sha256_of(path)})
