"""Checks built packages against their manifests while the next ones are built."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

from kubeparcel.build import check_cache
from kubeparcel.build.assembler import BuiltPackage, discard_packages, manifest_digest
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log, duration
from kubeparcel.errors import KubeparcelError
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.store import Store
from kubeparcel.verify.layout import level
from kubeparcel.verify.layout.path_owners import PathOwners, manifest_paths, merged_path

if TYPE_CHECKING:
    from kubeparcel.packages.inspection_cache import InspectionCache
    from kubeparcel.packages.model import PackageContents

OnRead: TypeAlias = "Callable[[BuiltPackage, PackageContents, Store], object]"


class ConcurrentChecker:
    """Checks packages in background threads; `report` waits for the results.

    `manifests` are those of all packages of the build. Checks that passed are cached in the store.
    `on_read` gets each package that was read, and its contents. Leaving the context cancels checks
    that have not started.
    """

    def __init__(self, manifests: Sequence[PackageManifest], store: Store, on_read: OnRead | None = None) -> None:
        self._store = store
        self._on_read = on_read
        self._pool = ThreadPoolExecutor(level.READER_THREADS, "checking")
        self._results: dict[str, Future[tuple[Check, ...]]] = {}
        self._path_owners = PathOwners.of(path for manifest in manifests for path in manifest_paths(manifest))

    def __enter__(self) -> ConcurrentChecker:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, package: BuiltPackage) -> Future[tuple[Check, ...]]:
        """Start the checks of a package, unless they were started before; return their result."""
        key = manifest_digest(package.manifest)
        if key not in self._results:
            self._results[key] = self._pool.submit(self._check, package)
        return self._results[key]

    def report(self, packages: Sequence[BuiltPackage], log: Log) -> Report:
        """Return and log the check report of the packages.

        Raises DigestError if a package fails because a file in the store is damaged.
        """
        started = time.monotonic()
        futures = [self.submit(package) for package in packages]
        results = [future.result() for future in futures]
        failed = [
            package
            for package, checks in zip(packages, results, strict=True)
            if not all(check.passed for check in checks)
        ]
        if failed:
            discard_packages(failed, packages, self._store)
        checks = tuple(check for checks in results for check in checks)
        report = Report(level.LEVEL, checks, time.monotonic() - started)
        if report.passed:
            log.info("Check", f"{report.summary} · {duration(report.seconds)}")
        else:
            log.warn(f"Checks of the packages failed: {report.summary}\n{as_text([report])}")
        return report

    @functools.cached_property
    def _inspections(self) -> InspectionCache:
        from kubeparcel.packages.inspection_cache import InspectionCache

        return InspectionCache(self._store.digest, sha1=True)

    def _check(self, package: BuiltPackage) -> tuple[Check, ...]:
        name = package.manifest.file_name
        key = check_cache.cache_key(package, self._set_dependencies(package.manifest))
        checks = check_cache.load_checks(self._store, key, name)
        if not checks:
            from kubeparcel.verify.layout.expected import expected_from_build

            catalog = catalogs.load()
            # A package built in this run was written a moment ago.
            read = self._store.local_path if package.seconds else self._store.get
            path = read(package.sha256, name)
            contents = level.read_or_error(path, self._inspections)
            expected = expected_from_build(package.manifest, catalog)
            checks = level.check_package(contents, name, expected, catalog, self._path_owners)
            if check_cache.save_checks(self._store, key, checks):
                self._store.share_record("package", manifest_digest(package.manifest))
            if self._on_read and not isinstance(contents, KubeparcelError):
                self._on_read(package, contents, self._store)
        return checks

    def _set_dependencies(self, manifest: PackageManifest) -> set[str]:
        """Return the inputs of the checks other than the package: paths it shares with others."""
        paths = {merged_path(file.path) for file in manifest.files}
        shared = {f"{path} {owners}" for path, owners in self._path_owners.shared.items() if path in paths}
        alone = self._path_owners.names[manifest.format] == {manifest.name}
        return shared | ({"alone"} if alone else set())


def check_packages(packages: Sequence[BuiltPackage], store: Store, log: Log) -> Report:
    """Check built packages and return the report."""
    with ConcurrentChecker([package.manifest for package in packages], store) as checker:
        return checker.report(packages, log)
