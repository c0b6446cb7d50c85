"""Packages just made are checked against all that is known of them, while others are made."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from kubeparcel.build import check_cache
from kubeparcel.build.assembler import BuiltPackage, blame_inputs, manifest_digest
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log, duration
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.store import Store
from kubeparcel.verify.layout import level

if TYPE_CHECKING:
    from kubeparcel.packages.reader import InspectionCache


class ConcurrentChecker:
    """Packages that are checked, some at a time; who asks for the report waits for them.

    `packages` are all that will be made. What passed once is remembered in the store with its
    checks, and not read again. Leaving the block drops what nobody asked for.
    """

    def __init__(self, packages: Sequence[PackageManifest], store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(level.READER_THREADS, "checking")
        self._begun: dict[str, Future[tuple[Check, ...]]] = {}
        self._holders = level.path_owners(
            (package.format, package.arch_name, package.name, file.path)
            for package in packages
            for file in package.files
            if file.kind != "dir"
        )

    def __enter__(self) -> ConcurrentChecker:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, one: BuiltPackage) -> None:
        """Check a package when there is time."""
        key = manifest_digest(one.manifest)
        if key not in self._begun:
            self._begun[key] = self._pool.submit(self._checks, one)

    def report(self, made: Sequence[BuiltPackage], log: Log) -> Report:
        """The outcome for these packages, said in the log too.

        Raises DigestError when one is wrong because something in the store is damaged.
        """
        started = time.monotonic()
        for one in made:
            self.submit(one)
        found = [self._begun[manifest_digest(one.manifest)].result() for one in made]
        wrong = [one for one, c in zip(made, found, strict=True) if not all(x.passed for x in c)]
        if wrong:
            blame_inputs(wrong, self._store)
        checks = tuple(check for checks in found for check in checks)
        report = Report(level.LEVEL, checks, time.monotonic() - started)
        if report.passed:
            log.info("Check", f"{report.summary} · {duration(report.seconds)}")
        else:
            log.warn(
                f"the packages are not as they should be: {report.summary}\n{as_text([report])}"
            )
        return report

    @functools.cached_property
    def _known(self) -> InspectionCache:
        from kubeparcel.packages.reader import InspectionCache

        return InspectionCache(self._store.md5)

    def _checks(self, one: BuiltPackage) -> tuple[Check, ...]:
        name = one.manifest.file_name
        key = check_cache.cache_key(one, self._neighbours(one.manifest))
        checks = check_cache.load_checks(self._store, key, name)
        if not checks:
            from kubeparcel.verify.layout.expected import expected_from_build

            catalog = catalogs.load()
            contents = level.read_or_error(self._store.path(one.sha256), self._known)
            expected = expected_from_build(one.manifest, catalog)
            checks = level.check_package(contents, name, expected, catalog, self._holders)
            check_cache.save_checks(self._store, key, checks)
        return checks

    def _neighbours(self, package: PackageManifest) -> set[str]:
        """What the set adds to a package: whether there are others, and the paths they share."""
        paths = self._holders[package.format, package.arch_name]
        mine = {file.path for file in package.files}
        shared = {
            f"{path} {sorted(names)}"
            for path, names in paths.items()
            if len(names) > 1 and path in mine
        }
        alone = {name for names in paths.values() for name in names} == {package.name}
        return shared | ({"alone"} if alone else set())


def check_packages(made: Sequence[BuiltPackage], store: Store, log: Log) -> Report:
    """Check packages that are made already."""
    with ConcurrentChecker([one.manifest for one in made], store) as checking:
        return checking.report(made, log)
