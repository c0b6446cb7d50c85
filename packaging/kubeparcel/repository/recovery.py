"""Recover the state of a repository from its published files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from kubeparcel.model import PACKAGE_SUFFIXES, Format
from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.packages.payload_stream import plain_blocks
from kubeparcel.repository import state_file
from kubeparcel.repository.apt.packages import parse_entry, stanzas
from kubeparcel.repository.candidates.read import parse_package
from kubeparcel.repository.index_entries import read_published
from kubeparcel.repository.model import State, Suites, index_folder
from kubeparcel.repository.package import Package, split_side_path
from kubeparcel.repository.package_cache import PackageCache
from kubeparcel.repository.storage.base import Storage
from kubeparcel.repository.yum import primary
from kubeparcel.repository.yum.xml_elements import iterate_elements

_HASHED_NAME = re.compile(r"/by-hash/|^[0-9a-f]{64}-")


def recover_state(storage: Storage, cache: PackageCache) -> State:
    """Return the state that the published indexes show; an empty one without indexes. Raises BrokenPackage."""
    suites: dict[str, set[Package]] = {}
    for path in storage.file_sizes("apt/dists"):
        suite, _, name = path.removeprefix("apt/dists/").partition("/")
        if name.endswith("/Packages.gz"):
            suites.setdefault(suite, set()).update(_debs(storage.read(path) or b""))
    for path in storage.file_sizes("yum"):
        if path.endswith("/repodata/repomd.xml"):
            suite = path.split("/")[1]
            suites.setdefault(suite, set()).update(_rpms(storage, f"yum/{suite}", cache))
    retained = {}
    for suite in suites:
        for folder in (index_folder((suite, format_)) for format_ in Format):
            names = (path.removeprefix(f"{folder}/") for path in storage.file_sizes(folder))
            retained[folder] = (tuple(sorted(filter(_HASHED_NAME.search, names))),)
    recovered = {name: frozenset(packages) for name, packages in suites.items() if packages}
    if not recovered:
        return State()
    generation = max(state_file.stored_generations(storage), default=0) + 1
    state = State(
        generation,
        suites=recovered,
        retained_indexes=retained,
        retired_packages=_unlisted_packages(storage, recovered, generation),
    )
    return replace(state, side_files=_side_files(storage, state))


def _side_files(storage: Storage, state: State) -> dict[str, dict[str, str]]:
    """Return the SHA-256 of the files next to packages by suffix, by the package's SHA-256."""
    packages = state.stored_by_path
    side_files: dict[str, dict[str, str]] = {}
    for path in (*storage.file_sizes("apt/pool"), *storage.file_sizes("yum")):
        package_path, suffix = split_side_path(path)
        if suffix and (package := packages.get(package_path)):
            digest = hashlib.sha256(storage.read(path) or b"").hexdigest()
            side_files.setdefault(package.sha256, {})[suffix] = digest
    return side_files


def _debs(compressed: bytes) -> Iterator[Package]:
    for fields in stanzas("Packages.gz", plain_blocks("Packages.gz", [compressed])):
        if "package" in fields:
            yield parse_entry(fields)


def _rpms(storage: Storage, folder: str, cache: PackageCache) -> Iterator[Package]:
    """Yield the RPMs of a yum repository. Primary omits some metadata, so their headers are read."""
    repomd = storage.read(f"{folder}/repodata/repomd.xml") or b""
    location = primary.metadata_locations(repomd).get("primary")
    if location is None:
        return
    data = storage.read(f"{folder}/{location}") or b""
    elements = iterate_elements(location, plain_blocks(location, [data]), primary.PACKAGE_TAGS)
    next(elements)  # the root element
    for element in elements:
        listed = primary.parse_package(element).package
        path = f"{folder}/{listed.path}"
        try:
            parsed = read_published(Format.RPM, path, listed.size, listed.sha256, storage)
        except MalformedData as error:
            raise BrokenPackage(
                f"{storage.location}/{path}: {error}.",
                "Restore the file or the state file, then run the command again.",
            ) from None
        cache.store_packages([parsed])
        yield parsed.package._replace(path=listed.path)


def _unlisted_packages(storage: Storage, suites: Suites, generation: int) -> dict[str, tuple[int, Package]]:
    """Return the package files in no index: clients with older indexes may request them."""
    listed = {package.repository_path(suite) for suite, packages in suites.items() for package in packages}
    unlisted: dict[str, tuple[int, Package]] = {}
    for path in (*storage.file_sizes("apt/pool"), *storage.file_sizes("yum")):
        if path.endswith(PACKAGE_SUFFIXES) and path not in listed:
            data = storage.read(path) or b""
            with suppress(MalformedData):
                parsed = parse_package(Format(path[-3:]), data, len(data), hashlib.sha256(data).hexdigest())
                unlisted[path] = (generation, parsed.package)
    return unlisted
