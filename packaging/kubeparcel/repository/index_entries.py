"""Load the index entries of packages from the cache, else from the published files."""

from __future__ import annotations

from collections.abc import Iterable

from kubeparcel.model import Format
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.packages.rpm import header
from kubeparcel.repository.candidates.read import ParsedPackage, parse_deb, parse_rpm
from kubeparcel.repository.model import Package, State
from kubeparcel.repository.package_cache import IndexEntry, PackageCache
from kubeparcel.repository.storage.base import Storage, StorageReader

_HEAD = 1 << 18
"""The number of bytes to read first: enough for the metadata of most packages."""


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
        paths = {package.sha256: path for path, package in published.packages_by_path.items()}
        read = {}
        for sha256 in missing:
            package = by_digest[sha256]
            path = paths.get(sha256, package.path)
            read[sha256] = _published_entry(package, path, storage)
        cache.store_index_entries(read)
        entries |= read
    return entries


def _published_entry(package: Package, path: str, storage: Storage) -> IndexEntry:
    try:
        parsed = read_published(package.format, path, package.size, package.sha256, storage)
    except MalformedData as error:
        raise BrokenPackage(
            f"{storage.location}/{path}: {error}.",
            f"Publish {package.label} again with its file in --from, or remove it: inv remove.",
        ) from None
    return parsed.entry


def read_published(format_: Format, path: str, size: int, sha256: str, storage: StorageReader) -> ParsedPackage:
    """Parse the first bytes of a package file in a repository. Raises MalformedData."""
    needed_size, parse = (
        (deb_metadata.head_length, parse_deb) if format_ is Format.DEB else (header.head_length, parse_rpm)
    )
    head = storage.read(path, _HEAD) or b""
    if (needed := needed_size(head)) > len(head):
        head = storage.read(path, needed) or b""
    return parse(head, size, sha256)
