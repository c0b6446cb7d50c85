"""Completes the plan of a package once its binaries are fetched: digests, provenance and dependencies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from kubeparcel.build.assembler import RECIPE
from kubeparcel.build.lock.components import source_of, toolchain_of
from kubeparcel.build.lock.document import present
from kubeparcel.build.package_plan import (
    ComponentBinary,
    DebugFiles,
    FilePlan,
    LocalFile,
    OmittedBinary,
    OwnedDirectory,
    PackagePlan,
    ProvenanceRecord,
    Symlink,
    TextContent,
)
from kubeparcel.config.patch_settings import applicable_patches
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import DEBUG_SUFFIX, Binaries, Lock
from kubeparcel.model import Format
from kubeparcel.packages import linked_software
from kubeparcel.packages.linked_software import LinkedModule
from kubeparcel.packages.manifest import ManifestFile, PackageDescription, PackageManifest
from kubeparcel.packages.provenance import describe_contents
from kubeparcel.sources.debug_symbols import build_id
from kubeparcel.store import Store


def finalize(plan: PackagePlan, lock: Lock, binaries: Binaries, store: Store) -> PackageManifest:
    """Return the plan's manifest, with file digests, provenance and library dependencies.

    Raises ConfigurationError if a binary of the plan is missing from the release.
    """
    digests = binaries.get((plan.component, plan.arch), {}) if plan.arch else {}
    rows = (row for file in plan.files for row in _manifest_files(file, plan, digests, store))
    files = tuple({row.path: row for row in rows}.values())
    dependencies = _library_dependencies(plan, files, store)
    description = {field.name: getattr(plan, field.name) for field in fields(PackageDescription)}
    description["relations"] = tuple(dict.fromkeys((*plan.relations, *dependencies)))
    manifest = PackageManifest(
        **description,
        files=files,
        bundled=_bundled_modules(files, store) if plan.format is Format.RPM else (),
        note=f"Packaged {plan.component or plan.name} {plan.version} with kubeparcel.",
    )
    return _with_provenance(manifest, plan, lock, digests, store)


def _with_provenance(
    manifest: PackageManifest, plan: PackagePlan, lock: Lock, digests: Mapping[str, str], store: Store
) -> PackageManifest:
    """Return the manifest with the record of provenance, which describes all of it."""
    paths = {file.path for file in plan.files if isinstance(file.content, ProvenanceRecord)}
    if not paths:
        return manifest
    record = {**provenance(plan, lock, digests), "contents": describe_contents(manifest)}
    debug_files = [file for file in manifest.files if file.path.endswith(DEBUG_SUFFIX)]
    record["binaries"] |= {Path(file.path).name: f"sha256:{file.sha256}" for file in debug_files}
    sha256 = store.add_bytes((json.dumps(record, indent=2) + "\n").encode())
    files = tuple(replace(file, sha256=sha256) if file.path in paths else file for file in manifest.files)
    return replace(manifest, files=files)


def _manifest_files(
    file: FilePlan, plan: PackagePlan, digests: Mapping[str, str], store: Store
) -> Iterator[ManifestFile]:
    entry = ManifestFile(file.path, file.mode, config=file.config, role=file.role, custom=file.custom)
    match file.content:
        case DebugFiles():
            yield from _debug_files(file.content, entry, plan, digests, store)
        case ComponentBinary():
            yield from _binary_files(file.content, entry, plan, digests)
        case TextContent(text):
            yield replace(entry, sha256=store.add_bytes(text.encode()))
        case LocalFile(path):
            yield replace(entry, sha256=store.add_bytes(path.read_bytes()))
        case ProvenanceRecord():
            yield entry  # its content describes all other files
        case Symlink(target):
            yield replace(entry, kind="link", link=target, mode=0o777)
        case OwnedDirectory():
            yield replace(entry, kind="dir")
        case OmittedBinary():
            _require_binary(file.path.rpartition("/")[2], plan, digests, " to remove")


def _debug_files(
    files: DebugFiles, entry: ManifestFile, plan: PackagePlan, digests: Mapping[str, str], store: Store
) -> Iterator[ManifestFile]:
    """Yield the file with the symbols of each program, where debuggers search it."""
    planned = replace(plan, files=files.package)
    for program in files.package:
        content = program.content
        if not isinstance(content, ComponentBinary):
            continue
        for binary in _manifest_files(program, planned, digests, store):
            name = content.name or Path(binary.path).name
            identifier = store.get_record("build-id", binary.sha256)
            if identifier is None:
                identifier = build_id(store.get(binary.sha256, binary.path))
                store.put_record("build-id", binary.sha256, identifier)
            if not identifier:
                raise ConfigurationError(
                    f"{binary.path} has no build ID, by which debuggers find its symbols.",
                    "Compile it with Go 1.24 or later, or remove go.debug from kubeparcel.yaml.",
                )
            folder = f"{entry.path}/{identifier[:2]}"
            path = f"{folder}/{identifier[2:]}{DEBUG_SUFFIX}"
            yield replace(entry, path=path, sha256=digests[f"{name}{DEBUG_SUFFIX}"])
            if plan.format is Format.RPM:
                yield replace(entry, path=folder, kind="dir", mode=0o755)
    if plan.format is Format.RPM:
        for path in (entry.path, str(Path(entry.path).parent)):
            yield replace(entry, path=path, kind="dir", mode=0o755)


def _binary_files(
    binary: ComponentBinary, entry: ManifestFile, plan: PackagePlan, digests: Mapping[str, str]
) -> Iterator[ManifestFile]:
    """Yield the named binary, or all binaries of the component that the plan has no file for."""
    if not binary.name:
        planned_paths = {file.path for file in plan.files}
        for name, sha256 in sorted(digests.items()):
            if not name.endswith(DEBUG_SUFFIX) and f"{entry.path}/{name}" not in planned_paths:
                yield replace(entry, path=f"{entry.path}/{name}", sha256=sha256)
    else:
        _require_binary(binary.name, plan, digests)
        yield replace(entry, sha256=digests[binary.name])


def _require_binary(name: str, plan: PackagePlan, digests: Mapping[str, str], purpose: str = "") -> None:
    if name not in digests:
        raise ConfigurationError(
            f"{plan.name}: {plan.component} has no binary {name}{purpose} for {plan.arch}.",
            f"It has: {', '.join(sorted(digests)) or 'none'}.",
        )


def provenance(plan: PackagePlan, lock: Lock, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return where the package's binaries came from, and their digests."""
    component, variant = lock.component(plan.component), lock.request.variant
    source, toolchain = source_of(lock, component.name), toolchain_of(lock, component.name)
    go = variant.as_document() if source != "upstream" else {}
    patches = applicable_patches(variant, component.name, component.version.release)
    binaries = [(file.path, file.content.name) for file in plan.files if isinstance(file.content, ComponentBinary)]
    used = {name for _, name in binaries}
    replaced = {file.path for file in plan.files} - {path for path, _ in binaries}
    all_of = [path for path, name in binaries if not name]
    programs = [name for name in digests if not name.endswith(DEBUG_SUFFIX)]
    used |= {name for name in programs for folder in all_of if f"{folder}/{name}" not in replaced}
    return {
        "package": f"{plan.name} {plan.version}-{plan.revision}",
        "component": component.name,
        "version": str(component.version),
        "source": source,
        **present({"toolchain": toolchain, "go": go, "patches": [patch.as_document() for patch in patches]}),
        "origins": [
            {
                "origin": artifact.origin,
                "digest": artifact.digest,
                **present(
                    {"checksum": artifact.checksum, "commit": artifact.commit, "repository": artifact.repository}
                ),
            }
            for artifact in component.artifacts
            if artifact.arch == plan.arch and ("" in used or artifact.name in used or artifact.name == component.name)
        ],
        "binaries": {name: f"sha256:{digest}" for name, digest in sorted(digests.items()) if name in used},
    }


def _library_dependencies(plan: PackagePlan, files: Sequence[ManifestFile], store: Store) -> Iterator[tuple[str, str]]:
    """Yield the C library dependencies of the package's programs, read from the files."""
    for relations in _read_programs("libraries", files, store):
        yield from (("depends", library) for library in relations.get(plan.format, []))


def _bundled_modules(files: Sequence[ManifestFile], store: Store) -> tuple[str, ...]:
    """Return what an rpm provides for the Go modules in its programs, read from the files."""
    records = _read_programs("modules", files, store)
    modules = (LinkedModule(*module) for record in records for module in record)
    return tuple(linked_software.bundled_modules(modules))


def cache_programs(binaries: Mapping[str, str], store: Store) -> None:
    """Read what `finalize` needs from binaries, and record it in the store."""
    files = [ManifestFile(name, 0o755, sha256=sha256) for name, sha256 in binaries.items()]
    for kind in _PROGRAM_READERS:
        list(_read_programs(kind, files, store))


_PROGRAM_READERS: Mapping[str, Callable[[Path, str], Any]] = {
    "libraries": linked_software.library_relations,
    "modules": linked_software.read_linked_modules,
}
"""What is read from programs, by the kind of the records that cache it."""


def _read_programs(kind: str, files: Sequence[ManifestFile], store: Store) -> Iterator[Any]:
    """Yield the record of each program of this kind; a file is verified once, and read for all kinds."""
    for file in files:
        if file.kind == "file" and file.sha256 and file.mode & 0o111:
            key = f"{RECIPE} {file.sha256}"
            record = store.get_record(kind, key)
            if record is None:
                path = store.get(file.sha256, file.path)
                records = {name: read(path, file.path) for name, read in _PROGRAM_READERS.items()}
                for name, value in records.items():
                    store.put_record(name, key, value)
                record = records[kind]
            yield record
