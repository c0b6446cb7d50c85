"""Read package files: their metadata and index entries, from the cache where possible."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kubeparcel.model import Format
from kubeparcel.packages import limits
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.digest import hash_file
from kubeparcel.packages.errors import BrokenPackage, MalformedData
from kubeparcel.packages.rpm import header, rpm_metadata
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import (
    IndexEntry,
    PackageCache,
    ParsedPackage,
    Row,
    package_of,
    seal_digests,
    seal_packages,
)
from kubeparcel.repository.yum import package_xml
from kubeparcel.threads import PROCESSORS

_BATCH = 500
"""The smallest number of files that a worker process reads, and the cache stores, at a time."""

_BATCHES = 20

_LARGE = 1 << 20

HEAD_LENGTH = {Format.DEB: deb_metadata.head_length, Format.RPM: header.head_length}
"""How many bytes at the beginning of a file, of which some are passed, have its metadata."""


@dataclass(frozen=True)
class PackageFiles:
    """The package files of a folder by SHA-256, and the packages that are not published yet.

    `packages` tells which of them have a signature, which has not been verified.
    """

    files: Mapping[str, FileStamp]
    packages: Mapping[Package, bool]


def read_packages(files: Sequence[FileStamp], cache: PackageCache, published: Set[str] = frozenset()) -> PackageFiles:
    """Read the files that are not in the cache. Raises BrokenPackage.

    `published` are SHA-256 of packages that are left out.
    """
    digests = cache.digests(files)
    packages = cache.packages(set(digests.values()) - published)
    resolved = {package.sha256 for package in packages} | published
    read = {sha256: file for file, sha256 in digests.items() if sha256 in resolved}
    unread = [file for file in files if digests.get(file) not in resolved]
    for batch, file_rows, package_rows in read_files(unread):
        cache.store_sealed("files", file_rows)
        cache.store_sealed("packages", package_rows)
        for file, (package, signed) in zip(batch, map(package_of, package_rows), strict=True):
            read[package.sha256] = file
            if package.sha256 not in published:
                packages[package] = signed
    return PackageFiles(read, packages)


Batch = tuple[Sequence[FileStamp], Sequence[Row], Sequence[Row]]
"""Files, and the rows of the cache about those with reliable stamps and about the packages."""


def read_files(files: Sequence[FileStamp]) -> Iterator[Batch]:
    """Read package files in parallel: large files in threads, many small ones in processes."""
    if not files:
        return
    large = sum(file.size for file in files) > len(files) * _LARGE
    if len(files) < _BATCH or large:
        with ThreadPoolExecutor(PROCESSORS) as threads:
            yield files, *_seal(files, threads.map(_read_file, files))
        return
    from kubeparcel.worker_processes import worker_processes

    size = max(_BATCH, -(-len(files) // _BATCHES))
    batches = [files[start : start + size] for start in range(0, len(files), size)]
    with worker_processes() as processes:
        for batch, rows in zip(batches, processes.map(_read_batch, batches), strict=True):
            yield batch, *rows


def _read_batch(files: Sequence[FileStamp]) -> tuple[Sequence[Row], Sequence[Row]]:
    return _seal(files, map(_read_file, files))


def _seal(files: Sequence[FileStamp], parsed: Iterable[ParsedPackage]) -> tuple[Sequence[Row], Sequence[Row]]:
    packages = list(parsed)
    digests = {file: package.package.sha256 for file, package in zip(files, packages, strict=True)}
    return seal_digests(digests), seal_packages(packages)


def _read_file(file: FileStamp) -> ParsedPackage:
    try:
        return _parse_file(file)
    except MalformedData as error:
        raise BrokenPackage(f"{file.path}: {error}.", error.hint) from None


def _parse_file(file: FileStamp) -> ParsedPackage:
    format_ = Format.RPM if file.path.endswith(".rpm") else Format.DEB
    content = hash_file(file.path, HEAD_LENGTH[format_], file.size)
    return parse_package(format_, content.head, content.size, content.sha256)


def parse_package(format_: Format, head: bytes, size: int, sha256: str) -> ParsedPackage:
    """Parse the first bytes of a package of `size` bytes. Raises MalformedData, also for a large index entry."""
    package = (parse_rpm if format_ is Format.RPM else parse_deb)(head, size, sha256)
    for text in package.entry:
        limits.INDEX_ENTRY.check(len(text.encode()), "its index entry")
    return package


def parse_deb(head: bytes, size: int, sha256: str) -> ParsedPackage:
    """Parse the first bytes of a deb of `size` bytes. Raises MalformedData."""
    control = deb_metadata.control_text(head, size)
    fields = deb_metadata.parse_fields(control)
    identity = deb_metadata.identity(fields)
    path, dependencies = deb_metadata.pool_path(*identity), deb_metadata.dependencies(fields)
    package = Package(Format.DEB, *identity, sha256, size, sha256, dependencies, path)
    return ParsedPackage(package, False, IndexEntry(deb_metadata.index_stanza(control, path, size, sha256)))


def parse_rpm(head: bytes, size: int, sha256: str) -> ParsedPackage:
    """Parse the first bytes of an RPM of `size` bytes. Raises MalformedData."""
    headers = header.read_headers(head, size)
    name, version, arch = rpm_metadata.identity(headers.main)
    path = f"packages/{rpm_metadata.file_name(name, version, arch)}"
    entry = package_xml.render_entry(headers, version, sha256, size, path)
    content_digest = hashlib.sha256(head[headers.main.start : headers.main.end]).hexdigest()
    dependencies = rpm_metadata.dependencies(headers.main)
    package = Package(Format.RPM, name, version, arch, sha256, size, content_digest, dependencies, path)
    return ParsedPackage(package, headers.signed, entry)
