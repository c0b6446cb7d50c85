"""The packages of a file, a folder or a repository: listed first, fetched and read when they are needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.doctor.discovery import discover, nothing_found
from kubeparcel.doctor.locations import open_reader
from kubeparcel.doctor.published_packages import PackageSource, open_published
from kubeparcel.doctor.reader import FolderReader
from kubeparcel.errors import UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.model import PACKAGE_SUFFIXES
from kubeparcel.packages.architectures import common_name
from kubeparcel.packages.find import find_package_files
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.reader import ContentsCache
from kubeparcel.repository.candidates.read import read_packages
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import open_cache
from kubeparcel.repository.suites import select_packages
from kubeparcel.sanitize import redact_url
from kubeparcel.threads import parallel_map
from kubeparcel.user_cache import open_store

_CONNECTIONS = 4


@dataclass(frozen=True)
class PackageQuery:
    """Which packages of a location are requested.

    `key` is a file with the public keys to trust, or the name of a key; without it, the keys that a repository offers
    are trusted. `suites` and `arches` limit the packages, none means all. `selectors` are NAME, NAME=VERSION or
    =VERSION. Unless `all_versions`, only the newest version of each package is returned. `follow` has
    additional hosts that redirects, indexes and mirrorlists may lead to.
    """

    key: str = ""
    suites: Sequence[str] = ()
    arches: Sequence[str] = ()
    selectors: Sequence[str] = ()
    all_versions: bool = False
    follow: Sequence[str] = ()


@dataclass(frozen=True)
class PackageSet:
    """The packages of a location, sorted, each once. They can be read until the set is closed."""

    location: str
    packages: tuple[Package, ...]
    _fetch: Callable[[Package], Path]
    _cache: ContentsCache

    def files(self, packages: Sequence[Package]) -> list[Path]:
        """Return the files of packages; those of a repository are fetched, and verified as `doctor` does.

        Raises CheckFailed for a file that is not the listed one, ExternalError if it cannot be read.
        """
        return parallel_map(lambda package, _: self._fetch(package), packages, _CONNECTIONS)

    def contents(self, packages: Sequence[Package]) -> list[PackageContents]:
        """Return the contents of packages, from the cache where possible; raises as `files`, and BrokenPackage."""
        cached = {package: self._cache.load(package.sha256, Path(package.path)) for package in packages}
        missing = [package for package, contents in cached.items() if contents is None]
        files = zip((package.sha256 for package in missing), self.files(missing), strict=True)
        read = dict(zip(missing, self._cache.read(list(files)), strict=True))
        return [cached[package] or read[package] for package in packages]


@contextmanager
def open_packages(location: str, query: PackageQuery, log: Log) -> Iterator[PackageSet]:
    """Yield the packages of a package file, a folder with packages, or a repository in a folder or at a URL.

    A folder with package files outside of repositories is no repository. Indexes are verified as `doctor` does: an
    invalid signature, or an index that is not the listed one, raises CheckFailed; a missing signature is a warning,
    unless `query` has a key. Raises UsageError if there are no packages, Unreachable or DownloadError if they cannot
    be read.
    """
    cache = ContentsCache(open_store(log))
    path = None if "://" in location else Path(location)
    files = _loose_files(path) if path else []
    if path and files:
        yield _select(_local_source(path, files), query, cache)
        return
    reader, suites = open_reader(location, query.follow, query.suites)
    with open_published(reader, suites, query.key, query.arches, log) as source:
        if source is None:
            raise (
                _no_packages(path) if path and path.is_dir() and not suites else nothing_found(reader, location, suites)
            )
        yield _select(source, query, cache)


def _no_packages(folder: Path) -> UsageError:
    patterns = " or ".join(f"*{suffix}" for suffix in PACKAGE_SUFFIXES)
    return UsageError(
        f"No packages ({patterns}) and no repository in {folder}.",
        "Give a package file, a folder with packages, or the folder or URL of an apt or yum repository.",
    )


def _loose_files(path: Path) -> list[Path]:
    """Return the package at a path, or those in a folder that are not in a repository below it."""
    if path.is_file():
        if not path.name.endswith(PACKAGE_SUFFIXES):
            raise UsageError(f"{path} is neither a .deb nor an .rpm file.", "Give a package, a folder or a repository.")
        return [path.absolute()]
    if not path.is_dir():
        return []
    discovery = discover(FolderReader(path.absolute()))
    folders = {*(suite.base for suite in discovery.suites), *discovery.yum_folders}
    if "" in folders:
        return []
    repositories = [path.absolute() / folder for folder in folders]
    try:
        files = find_package_files([path.absolute()])
    except UsageError:
        return []
    return [file for file in files if not any(file.is_relative_to(folder) for folder in repositories)]


def _local_source(path: Path, files: Iterable[Path]) -> PackageSource:
    moment = time.time_ns()
    stamps = []
    for file in files:
        with translate_os_errors(file):
            stamps.append(FileStamp.of(str(file), file.stat(), moment))
    with open_cache() as cache:
        read = read_packages(stamps, cache)
    paths = {package: Path(read.files[package.sha256].path) for package in read.packages}
    packages = {package._replace(path=str(file)): file for package, file in paths.items()}
    return PackageSource(str(path), frozenset(packages), packages.__getitem__)


def _select(source: PackageSource, query: PackageQuery, cache: ContentsCache) -> PackageSet:
    """Return the requested packages. Raises UsageError if there are none, or two files with one identity."""
    arches = {*map(common_name, query.arches), "all"}
    packages = [p for p in source.packages if not query.arches or common_name(p.arch) in arches]
    if query.selectors:
        packages = [*select_packages(packages, query.selectors)]
    if not packages:
        of = f" for {', '.join(query.arches)}" if query.arches else ""
        raise UsageError(f"{redact_url(source.location)} has no packages{of}.", "Check --arch and --suite.")
    distinct = {(package.identity, package.sha256): package for package in sorted(packages)}
    requested = distinct.values() if query.all_versions else _newest(distinct.values())
    return PackageSet(redact_url(source.location), tuple(sorted(requested)), source.fetch, cache)


def _newest(packages: Iterable[Package]) -> list[Package]:
    """Return the newest version of each package, in each format and for each architecture."""
    by_age = sorted(packages, key=lambda package: package.version_key)
    newest = {(package.format, package.name, package.arch): package for package in by_age}
    for package in by_age:
        other = newest[package.format, package.name, package.arch]
        if package.identity == other.identity and package.sha256 != other.sha256:
            raise UsageError(
                f"Two different files of {package.label}: {package.path} and {other.path}.",
                "Give one of them, or select a suite with --suite.",
            )
    return [*newest.values()]
