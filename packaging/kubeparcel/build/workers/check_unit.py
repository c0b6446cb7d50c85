"""Checks a finished package. Passed checks are cached in the store: an unchanged package is not checked again."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubeparcel.build.assembler import BuiltPackage, manifest_digest
from kubeparcel.build.workers.units import BYTES_PER_SECOND, Resource, Unit
from kubeparcel.console import Log
from kubeparcel.errors import KubeparcelError
from kubeparcel.paths import source_digest
from kubeparcel.reports.results import Check
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.packages.inspection import InspectionCache
    from kubeparcel.verify.layout.path_owners import PathOwners

KIND = "checked"
"""The kind of the records of passed checks."""


@dataclass(frozen=True)
class CheckUnit(Unit):
    """Checks a package against its manifest; the result is its checks, and with `sbom` its SBOMs are in the store.

    `path_owners` are those of all packages of its release.
    """

    package: BuiltPackage
    path_owners: PathOwners
    sbom: bool = False
    resource: Resource = Resource.CHECK

    @functools.cached_property
    def key(self) -> str:
        own = [_checks_digest(), self.package.sha256, manifest_digest(self.package.manifest)]
        return "\n".join([*own, *sorted(self._set_dependencies())])

    @property
    def label(self) -> str:
        return self.package.manifest.file_name

    @property
    def weight(self) -> float:
        return self.package.size / BYTES_PER_SECOND

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.package.sha256,)

    def cached(self, store: Store) -> tuple[Check, ...] | None:
        try:
            entries = store.get_record(KIND, self.key) or []
            return tuple(Check(name, self.label, meaning) for name, meaning in entries) or None
        except (TypeError, ValueError):  # a record of an earlier version
            return None

    def run(self, store: Store, log: Log) -> tuple[Check, ...]:
        from kubeparcel.build.sboms import add_sboms
        from kubeparcel.config import catalog as catalogs
        from kubeparcel.verify.layout import level
        from kubeparcel.verify.layout.expected import expected_from_build

        package, catalog = self.package, catalogs.load()
        # A package built in this run was written a moment ago.
        path = (store.local_path if package.seconds else store.get)(package.sha256, self.label)
        contents = level.read_or_error(path, inspections(store))
        expected = expected_from_build(package.manifest, catalog)
        checks = level.check_package(contents, self.label, expected, catalog, self.path_owners)
        if checks and all(check.passed for check in checks):
            store.put_record(KIND, self.key, [[check.name, check.meaning] for check in checks])
            store.share_record("package", manifest_digest(package.manifest))
        if self.sbom and not isinstance(contents, KubeparcelError):
            add_sboms(package, contents, store)
        return checks

    def _set_dependencies(self) -> set[str]:
        """Return the inputs of the checks other than the package: paths it shares with others."""
        from kubeparcel.verify.layout.path_owners import merged_path

        manifest, owners = self.package.manifest, self.path_owners
        paths = {merged_path(file.path) for file in manifest.files}
        shared = {f"{path} {owners}" for path, owners in owners.shared.items() if path in paths}
        alone = owners.names[manifest.format] == {manifest.name}
        return shared | ({"alone"} if alone else set())


@functools.lru_cache(maxsize=1)
def inspections(store: Store) -> InspectionCache:
    """Return the cache of binaries that were inspected; `cache_clear` forgets those of a finished release."""
    from kubeparcel.packages.inspection import InspectionCache

    return InspectionCache(store.digest, sha1=True)


@functools.cache
def _checks_digest() -> str:
    """Return a digest of the checks, the package readers and the catalog."""
    return source_digest("verify/**/*.py", "trust/*.py", "reports/*.py", "packages/**/*.py", "config/catalog.yaml")
