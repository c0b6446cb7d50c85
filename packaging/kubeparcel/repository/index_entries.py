"""Load the index entries of packages from the cache, else from the published files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from kubeparcel.model import Format
from kubeparcel.packages.digest import HEAD_SIZE
from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.repository.candidates.read import HEAD_LENGTH, parse_package
from kubeparcel.repository.model import State
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import IndexEntry, LoadParts, PackageCache, ParsedPackage
from kubeparcel.repository.storage.base import Storage, StorageReader

_FEW = 1_000
"""Indexes of fewer packages are joined each time."""

_LAST_DIGEST = "00"
"""How the digest of the last package of a part begins."""

_UNSTORED = 32
"""The number of new parts that are stored at a time."""


def index_loader(folder: str, identity: str, storage: Storage, published: State, cache: PackageCache) -> LoadParts:
    """Return how the entries of the indexes in a folder of the repository with an identity are loaded.

    Large indexes are in the cache in parts of about 256 packages: where a part ends depends on the digest of
    its last package, so one package more changes one part. Loading raises BrokenPackage if an entry is not in
    the cache and its published file cannot be read.
    """

    def load(name: str, packages: Sequence[Package], separator: str) -> Iterator[IndexEntry]:
        if len(packages) < _FEW:
            if packages:
                yield _join(packages, separator, storage, published, cache)
            return
        place = f"{identity} {folder} {name}"
        new: dict[str, IndexEntry] = {}
        keys = []
        for part in _split(packages):
            key = hashlib.sha256("".join([package.sha256 for package in part]).encode()).hexdigest()
            keys.append(key)
            if (joined := cache.index_part(place, key)) is None:
                joined = new[key] = _join(part, separator, storage, published, cache)
            yield joined
            if len(new) == _UNSTORED:
                cache.store_index_parts(place, new)
                new.clear()
        cache.store_index_parts(place, new)
        cache.drop_index_parts(place, keys)

    return load


def _split(packages: Sequence[Package]) -> Iterator[Sequence[Package]]:
    """Yield consecutive packages, up to one whose digest begins with _LAST_DIGEST."""
    start = 0
    for end in (number for number, package in enumerate(packages, 1) if package.sha256.startswith(_LAST_DIGEST)):
        yield packages[start:end]
        start = end
    if start < len(packages):
        yield packages[start:]


def _join(
    packages: Sequence[Package], separator: str, storage: Storage, published: State, cache: PackageCache
) -> IndexEntry:
    """Return the joined entries of packages."""
    entries = load_index_entries(packages, storage, published, cache)
    return IndexEntry(*map(separator.join, zip(*(entries[package.sha256] for package in packages), strict=True)))


def load_index_entries(
    packages: Iterable[Package], storage: Storage, published: State, cache: PackageCache
) -> dict[str, IndexEntry]:
    """Return the index entries of `packages` by SHA-256.

    Raises BrokenPackage if one is not in the cache and its published file cannot be read.
    """
    by_digest = {package.sha256: package for package in packages}
    entries = cache.index_entries(by_digest)
    missing = by_digest.keys() - entries.keys()
    if missing:
        paths = published.paths_by_digest
        packages = [by_digest[sha256] for sha256 in missing]
        read = [_read_again(package, paths.get(package.sha256, package.path), storage) for package in packages]
        cache.store_packages(read)
        entries |= {parsed.package.sha256: parsed.entry for parsed in read}
    return entries


def _read_again(package: Package, path: str, storage: Storage) -> ParsedPackage:
    try:
        return read_published(package.format, path, package.size, package.sha256, storage)
    except MalformedData as error:
        raise BrokenPackage(
            f"{storage.location}/{path}: {error}.",
            f"Publish {package.label} again with its file in --from, or remove it: inv remove.",
        ) from None


def read_published(format_: Format, path: str, size: int, sha256: str, storage: StorageReader) -> ParsedPackage:
    """Parse the first bytes of a package file in a repository. Raises MalformedData."""
    head = storage.read(path, HEAD_SIZE) or b""
    if (needed := HEAD_LENGTH[format_](head)) > len(head):
        head = storage.read(path, needed) or b""
    return parse_package(format_, head, size, sha256)
