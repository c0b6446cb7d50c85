"""Planned packages and the binaries that were got become package files."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from typing import Any

from kubeparcel.build.planner import (
    ComponentBinary,
    FilePlan,
    LocalFile,
    OwnedDirectory,
    PackagePlan,
    ProvenanceRecord,
    Symlink,
    TextContent,
)
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError, ToolError
from kubeparcel.model import Binaries, Lock
from kubeparcel.packages import nfpm, shared_libraries
from kubeparcel.packages.manifest import ManifestFile, PackageManifest
from kubeparcel.store import Store

RECIPE = 1
"""Increased whenever the same inputs shall produce different bytes."""


@dataclass(frozen=True)
class BuiltPackage:
    """A package file in the store: digest, size in bytes, seconds it took (0: it was there)."""

    manifest: PackageManifest
    sha256: str
    size: int
    seconds: float = 0.0


def manifest_digest(package: PackageManifest) -> str:
    """Return a digest of everything that decides the bytes: equal keys, equal packages."""
    inputs = {"recipe": RECIPE, "nfpm": nfpm.version(), "package": asdict(package)}
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


_SAME = (
    *("name", "version", "revision", "format", "arch", "component", "fields", "scripts"),
    *("time", "compression", "file_name"),
)
"""What a package takes over from its plan as it is."""


def finalize(planned: PackagePlan, lock: Lock, binaries: Binaries, store: Store) -> PackageManifest:
    """Settle what is only known when the binaries are there: digests, provenance, libraries."""
    got = binaries.get((planned.component, planned.arch), {}) if planned.arch else {}
    files = tuple(f for file in planned.files for f in _settle(file, planned, lock, got, store))
    title = f"{planned.component or planned.name} {planned.version}"
    return PackageManifest(
        **{name: getattr(planned, name) for name in _SAME},
        arch_name=planned.format.arch_name(planned.arch),
        files=files,
        relations=tuple(dict.fromkeys((*planned.relations, *_libraries(planned, files, store)))),
        note=f"Packaged {title} with kubeparcel.",
    )


def _settle(
    file: FilePlan, planned: PackagePlan, lock: Lock, got: Mapping[str, str], store: Store
) -> Iterator[ManifestFile]:
    row = ManifestFile(file.path, file.mode, config=file.config, role=file.role)
    match file.content:
        case ComponentBinary():
            yield from _binaries(file.content, row, planned, got)
        case TextContent(text):
            yield replace(row, sha256=store.add_bytes(text.encode()))
        case LocalFile(path):
            yield replace(row, sha256=store.add_bytes(path.read_bytes()))
        case ProvenanceRecord():
            text = json.dumps(provenance(planned, lock, got), indent=2) + "\n"
            yield replace(row, sha256=store.add_bytes(text.encode()))
        case Symlink(target):
            yield replace(row, kind="link", link=target, mode=0o777)
        case OwnedDirectory():
            yield replace(row, kind="dir")


def _binaries(
    origin: ComponentBinary, row: ManifestFile, planned: PackagePlan, got: Mapping[str, str]
) -> Iterator[ManifestFile]:
    """One binary, or all that no other row of the package names."""
    if not origin.name:
        named = {other.path for other in planned.files}
        for name, sha256 in sorted(got.items()):
            if f"{row.path}/{name}" not in named:
                yield replace(row, path=f"{row.path}/{name}", sha256=sha256)
    elif origin.name in got:
        yield replace(row, sha256=got[origin.name])
    else:
        raise ConfigurationError(
            f"{planned.name}: {origin.component} has no binary {origin.name} for {planned.arch}.",
            f"It has: {', '.join(sorted(got)) or 'none'}.",
        )


def provenance(planned: PackagePlan, lock: Lock, got: Mapping[str, str]) -> dict[str, Any]:
    """Where the binaries of a package came from, and their digests."""
    component = lock.component(planned.component)
    used = {
        file.content.name for file in planned.files if isinstance(file.content, ComponentBinary)
    }
    origins = [a for a in component.artifacts if a.arch == planned.arch]
    return {
        "package": f"{planned.name} {planned.version}-{planned.revision}",
        "component": component.name,
        "version": str(component.version),
        "source": lock.source,
        **({"toolchain": lock.toolchain} if lock.toolchain else {}),
        "origins": [
            {"origin": a.origin, "digest": a.digest}
            for a in origins
            if "" in used or a.name in used or a.name == component.name
        ],
        "binaries": {n: f"sha256:{d}" for n, d in sorted(got.items()) if "" in used or n in used},
    }


def _libraries(
    planned: PackagePlan, files: Sequence[ManifestFile], store: Store
) -> Iterator[tuple[str, str]]:
    """What the binaries need of the C library, read from the files themselves."""
    for file in files:
        if file.kind == "file" and file.mode & 0o111:
            known = store.get_record("libraries", f"{RECIPE} {file.sha256}")
            if known is None:
                known = shared_libraries.library_relations(store.path(file.sha256), file.path)
                store.put_record("libraries", f"{RECIPE} {file.sha256}", known)
            yield from (("depends", need) for need in known.get(planned.format, []))


def assemble(
    packages: Sequence[PackageManifest],
    store: Store,
    log: Log,
    executor: Executor,
    on_built: Callable[[BuiltPackage], None] | None = None,
) -> tuple[BuiltPackage, ...]:
    """Make what the store does not have yet; one unit of work for the executor each.

    `then` is told of each new package at once, while others are still in the making. Who has it
    checks the finished packages, and asks `suspect` when one is wrong; for others what goes into
    the packages is read and checked first.
    """
    keys = [manifest_digest(package) for package in packages]
    known = {key: store.get_record("package", key) for key in keys}
    todo = [
        package
        for key, package in zip(keys, packages, strict=True)
        if not known[key] or not store.has(known[key]["sha256"])
    ]
    fresh: dict[str, BuiltPackage] = {}
    if todo and not on_built:
        _sound(todo, store)
    # The largest first: at the end, all wait for a small one.
    todo.sort(key=lambda package: _weight(package, store), reverse=True)
    if todo:
        with log.task("Assemble", "packages", len(todo)) as task:
            jobs = [executor.submit(assemble_package, package, store) for package in todo]
            try:
                for job in as_completed(jobs):
                    fresh[manifest_digest(job.result().manifest)] = job.result()
                    if on_built:
                        on_built(job.result())
                    task.advance()
            except ToolError:
                _sound(todo, store)
                raise
            finally:
                for job in jobs:
                    job.cancel()
    return tuple(
        fresh.get(key) or BuiltPackage(package, **known[key])
        for key, package in zip(keys, packages, strict=True)
    )


def _weight(package: PackageManifest, store: Store) -> int:
    """How many bytes go into a package."""
    paths = [store.path(file.sha256) for file in package.files if file.sha256]
    return sum(path.stat().st_size for path in paths if path.is_file())


def blame_inputs(made: Sequence[BuiltPackage], store: Store) -> None:
    """Raise DigestError when these packages are wrong because something that went in is damaged.

    They are forgotten, so that the next run makes them anew.
    """
    for one in made:
        store.delete_record("package", manifest_digest(one.manifest))
    _sound([one.manifest for one in made], store)


def _sound(packages: Sequence[PackageManifest], store: Store) -> None:
    """Read and check what goes into packages, each file once; raises DigestError."""
    digests = {f.sha256: f.path for package in packages for f in package.files if f.sha256}
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(store.get, digests, digests.values()):
            pass


def assemble_package(package: PackageManifest, store: Store) -> BuiltPackage:
    """Write one package into the store. Can run in another process, or on another machine."""
    started = time.monotonic()
    sources = {file.sha256: store.path(file.sha256) for file in package.files if file.sha256}
    with store.scratch() as folder:
        file = nfpm.write_package(package, sources, folder)
        size = file.stat().st_size
        sha256 = store.add(file)
    store.put_record("package", manifest_digest(package), {"sha256": sha256, "size": size})
    return BuiltPackage(package, sha256, size, time.monotonic() - started)
