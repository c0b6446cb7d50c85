"""The cache: what it contains, and removing what is not needed any more.

Files are in the user's cache folder, images of hosts and nodes in container engines. Every use of a
file updates its time stamp, and a build records which files it used.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.beneath import is_folder, open_without_links
from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.files import translate_os_errors
from kubeparcel.hosts import image_cache
from kubeparcel.hosts.image_cache import CachedImage
from kubeparcel.lock_models import Lock
from kubeparcel.store import Store
from kubeparcel.store_folder import DAY

BUILDS = "build"
"""The kind of the records of builds."""

IN_USE = 3600
"""Files that were used in these last seconds may belong to a running build."""

PACKAGES, PROGRAMS, ARCHIVES, TEXTS = "packages", "programs", "archives", "texts and other files"
RECORDS, PARTIAL, QUARANTINE, TEMPORARY = "records", "partial downloads", "quarantined files", "temporary files"
GO, REPOSITORIES, LOCKS = "Go compiler", "repository metadata", "locks"

_MAGIC = {
    b"\x7fELF": PROGRAMS,
    b"!<arch>\n": PACKAGES,
    b"\xed\xab\xee\xdb": PACKAGES,
    b"\x1f\x8b": ARCHIVES,
    b"\xfd7zXZ": ARCHIVES,
    b"(\xb5/\xfd": ARCHIVES,
    b"BZh": ARCHIVES,
}

_TAR_MAGIC = 257, b"ustar"

_FOLDERS: Sequence[tuple[str, str]] = (
    (RECORDS, "memory/*/*.json"),
    (PARTIAL, "partial/*"),
    (QUARANTINE, "quarantine/*"),
    (TEMPORARY, "scratch/*"),
    (GO, "go-bin"),
    (REPOSITORIES, "publish.sqlite*"),
    (LOCKS, "held/*"),
)

_PERMANENT = {GO, REPOSITORIES, LOCKS}
"""Kinds whose time stamps are not those of their last use: they are removed only with the whole cache."""


@dataclass(frozen=True)
class CacheEntry:
    """A file or folder of the cache: its size in bytes, its last use in seconds since 1970."""

    kind: str
    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class Build:
    """A build that the cache remembers: the release, and the files that it used."""

    kubernetes: str
    arches: tuple[str, ...]
    packages: int
    files: frozenset[str]
    used: float
    record: Path
    run: str = ""
    """What the builds of releases that one run built have in common; empty in records of earlier versions."""


@dataclass(frozen=True)
class Cache:
    """The contents of the cache; builds are sorted by their last run, the latest first."""

    store: Store
    entries: tuple[CacheEntry, ...]
    images: tuple[CachedImage, ...]
    builds: tuple[Build, ...]

    @property
    def size(self) -> int:
        """The size of all files and images in bytes."""
        return _size(self.entries) + _size(self.images)

    def unused(self, older_than: int, keep: int) -> Cache:
        """Return what was not used for `older_than` days, nor by the last `keep` builds.

        Releases that were built together count as one build. Of each host and purpose, `keep` images are kept.
        """
        oldest = time.time() - max(older_than * DAY, IN_USE)
        runs = list(dict.fromkeys(map(_run, self.builds)))[:keep]
        kept = [build for build in self.builds if _run(build) in runs]
        needed = {name for build in kept for name in build.files} | {build.record.name for build in kept}
        # A build also used records, in the time before its own was written.
        oldest_record = min([oldest, *(build.used - IN_USE for build in kept)])
        entries = [
            entry
            for entry in self.entries
            if entry.used < (oldest_record if entry.kind == RECORDS else oldest)
            and entry.kind not in _PERMANENT
            and entry.path.name not in needed
            and entry.path.parent.name != image_cache.RECORDS
        ]
        builds = [build for build in self.builds if build not in kept and build.used < oldest]
        return Cache(self.store, tuple(entries), tuple(self._old_images(oldest, keep)), tuple(builds))

    def sizes(self) -> list[tuple[int, int]]:
        """Return the bytes of the files that each build used, and of those that only it used."""
        sizes = {entry.path.name: entry.size for entry in self.entries if entry.path.name in self._users}
        return [
            (
                sum(sizes.get(name, 0) for name in build.files),
                sum(sizes.get(name, 0) for name in build.files if self._users[name] == 1),
            )
            for build in self.builds
        ]

    @functools.cached_property
    def _users(self) -> Counter[str]:
        """How many builds used each file."""
        return Counter(name for build in self.builds for name in build.files)

    def _old_images(self, oldest: float, keep: int) -> Iterator[CachedImage]:
        """Yield old images beyond the last `keep` of each host and purpose."""
        numbers: dict[tuple[str, str], int] = {}
        for image in sorted(self.images, key=lambda image: image.used, reverse=True):
            repository = image.engine, image.name.rpartition(":")[0]
            numbers[repository] = numbers.get(repository, 0) + 1
            if numbers[repository] > keep and image.used < oldest:
                yield image

    def remove(self) -> tuple[int, int]:
        """Remove everything in this selection; return the number of files and images removed."""
        images = image_cache.remove_images(self.store, self.images)
        with translate_os_errors(self.store.root):
            for entry in self.entries:
                if is_folder(entry.path):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    entry.path.unlink(missing_ok=True)
        _remove_empty_folders(self.store)
        return len(self.entries), len(images)


def read_cache(store: Store) -> Cache:
    """Return the contents of the cache folder, and the images that it tracks."""
    entries = [*_stored_files(store)]
    for kind, pattern in _FOLDERS:
        entries += [_entry(kind, path) for path in store.glob(pattern)]
    builds = tuple(_builds(store))
    return Cache(store, tuple(entries), tuple(image_cache.list_images(store)), builds)


def _run(build: Build) -> str:
    return build.run or build.record.name


def record_build(lock: Lock, packages: Sequence[BuiltPackage], store: Store, others: Iterable[str], run: str) -> None:
    """Record which files a build used, so that pruning can keep them; `others` are digests of further files.

    Releases that were built together have the same `run`.
    """
    files = {built.sha256 for built in packages} | {*others}
    files.update(file.sha256 for built in packages for file in built.manifest.files if file.sha256)
    files.update(digest for kind, _, digest in (a.digest.partition(":") for a in lock.artifacts) if kind == "sha256")
    value = {
        "kubernetes": str(lock.component("kubernetes").version),
        "arches": sorted({str(built.manifest.arch) for built in packages if built.manifest.arch}),
        "packages": len(packages),
        "files": sorted(files),
        "run": run,
    }
    store.put_record(BUILDS, " ".join(sorted(built.manifest.file_name for built in packages)), value)


def _builds(store: Store) -> Iterator[Build]:
    for path, value in store.records(BUILDS):
        with suppress(KeyError, TypeError, OSError):  # damaged, or removed by another process
            files, arches = frozenset(value["files"]), tuple(value["arches"])
            used, run = path.stat().st_mtime, str(value.get("run", ""))
            yield Build(value["kubernetes"], arches, value["packages"], files, used, path, run)


def _stored_files(store: Store) -> Iterator[CacheEntry]:
    for path in store.glob("sha256/*/*"):
        with suppress(OSError):  # a file that another process has removed
            with open(path, "rb", opener=open_without_links) as file:
                start = file.read(_TAR_MAGIC[0] + len(_TAR_MAGIC[1]))
            default = ARCHIVES if start.endswith(_TAR_MAGIC[1]) else TEXTS
            kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), default)
            yield _entry(kind, path)


def _entry(kind: str, path: Path) -> CacheEntry:
    status = path.lstat()
    size = status.st_size
    if is_folder(path):
        size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
    return CacheEntry(kind, path, size, status.st_mtime)


def _size(items: Iterable[CacheEntry | CachedImage]) -> int:
    return sum(item.size for item in items)


def _remove_empty_folders(store: Store) -> None:
    """Remove the cache's folders that have become empty, and the root if nothing else is in it."""
    patterns = ("sha256/*", "memory/*", "sha256", "memory", "partial", "quarantine", "scratch", "held")
    for folder in (*(path for pattern in patterns for path in store.glob(pattern)), store.root):
        with suppress(OSError):
            folder.rmdir()


def prune(
    cache: Cache, older_than: int, keep: int, confirm: Callable[[str], None] = lambda _: None
) -> tuple[Cache, tuple[int, int]]:
    """Remove what is unused; return it, and the numbers of files and images removed.

    `confirm` is asked before more than half of the cache is removed.
    """
    unused = cache.unused(older_than, keep)
    if 2 * unused.size > cache.size:
        confirm(f"Remove more than half of the cache {cache.store.root}?")
    return unused, unused.remove()
