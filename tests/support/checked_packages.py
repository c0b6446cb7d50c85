"""Checks packages as a build does."""

from __future__ import annotations

from collections.abc import Sequence

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.release_build import report_checks
from kubeparcel.build.workers.check_unit import CheckUnit, inspections
from kubeparcel.console import Log
from kubeparcel.reports.results import Report
from kubeparcel.store import Store
from kubeparcel.verify.layout.path_owners import PathOwners, manifest_paths


def check_packages(packages: Sequence[BuiltPackage], store: Store, log: Log) -> Report:
    """Check built packages, those of a release, and return the report."""
    path_owners = PathOwners.of(path for package in packages for path in manifest_paths(package.manifest))
    units = [CheckUnit(package, path_owners) for package in packages]
    try:
        return report_checks(packages, [unit.cached(store) or unit.run(store, log) for unit in units], 0.1, store, log)
    finally:
        inspections.cache_clear()
