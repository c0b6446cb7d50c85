"""The layout level: read finished packages and check them without installing anything."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kubeparcel.config import catalog as catalogs
from kubeparcel.config.catalog import Catalog
from kubeparcel.errors import KubeparcelError
from kubeparcel.model import Version
from kubeparcel.packages import reader
from kubeparcel.packages.find import find_package_files
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.model import PackageContents
from kubeparcel.paths import display_path
from kubeparcel.reports.results import Check, CheckedPackage, Finding, Report
from kubeparcel.trust.sbom_files import SbomFile, read_sboms
from kubeparcel.verify.layout import LEVEL
from kubeparcel.verify.layout.check_context import CheckContext
from kubeparcel.verify.layout.checks import CHECKS, run_checks
from kubeparcel.verify.layout.expected import (
    NOT_IN_CATALOG,
    ExpectedPackage,
    LayoutPaths,
    expected_from_package,
    upstream_version,
)
from kubeparcel.verify.layout.path_owners import PathOwners, contents_paths
from kubeparcel.verify.selection import EVERYTHING, Entry, Selection

SUMMARY = "the contents of each package"
READER_THREADS = min(4, os.cpu_count() or 1)
"""Packages read at a time: each may have a binary of 64 MiB in memory."""

READABLE_CHECK = "readable"
"""The check that a file is a complete package. If it fails, no other check runs."""
READABLE_MEANING = "the file is a complete package"


def check_paths(paths: Sequence[Path], catalog: Catalog | None = None, selection: Selection = EVERYTHING) -> Report:
    """Check package files, and those in folders, built by anyone.

    Packages of kubeparcel are judged by the record in them, others by `catalog`: by default the one of
    kubeparcel, without the user's packages. Checks that are not selected are returned as not run.
    Raises UsageError if a path does not exist or there are no packages.
    """
    started = time.monotonic()
    files = find_package_files(paths)
    catalog = catalog or catalogs.load()
    with ThreadPoolExecutor(READER_THREADS, "reading") as pool:
        results = list(pool.map(functools.partial(read_or_error, cache=InspectionCache()), files))
    packages = [result for result in results if not isinstance(result, KubeparcelError)]
    owners = PathOwners.of(path for package in packages for path in contents_paths(package))
    kubernetes = _newest_kubernetes(packages, catalog)
    checks: list[Check] = []
    for file, result in zip(files, results, strict=True):
        expected: ExpectedPackage | None = None
        sboms: tuple[SbomFile, ...] = ()
        if not isinstance(result, KubeparcelError):
            expected, sboms = expected_from_package(result, catalog, kubernetes), read_sboms(file)
        checks += check_package(result, display_path(file), expected, catalog, owners, selection, sboms)
    checked = (CheckedPackage(display_path(p.file), p.name, p.release, p.arch, str(p.format)) for p in packages)
    return Report(LEVEL, tuple(checks), time.monotonic() - started, packages=tuple(checked))


def entries() -> tuple[Entry, ...]:
    """Return all checks as `--list` shows them."""
    return (Entry(READABLE_CHECK, READABLE_MEANING), *(Entry(check.name, check.meaning) for check in CHECKS))


def read_or_error(file: Path, cache: InspectionCache | None = None) -> PackageContents | KubeparcelError:
    """Return the contents of a package file, or the error if it cannot be read."""
    try:
        return reader.read_package(file, cache)
    except KubeparcelError as error:
        return error


def check_package(
    package: PackageContents | KubeparcelError,
    name: str,
    expected: ExpectedPackage | None,
    catalog: Catalog,
    owners: PathOwners,
    selection: Selection = EVERYTHING,
    sboms: Sequence[SbomFile] = (),
) -> tuple[Check, ...]:
    """Return all checks of one package, with `name` as their subject; `sboms` are the files next to it.

    A package that cannot be read has a single, failed check.
    """
    if isinstance(package, KubeparcelError):
        finding = Finding("a complete package", package.message, hint=package.hint)
        return (Check(READABLE_CHECK, name, READABLE_MEANING, (finding,)),)
    layout_paths = LayoutPaths.from_catalog(catalog, package.format)
    context = CheckContext(name, package, expected or NOT_IN_CATALOG, layout_paths, owners, sboms)
    return (Check(READABLE_CHECK, name, READABLE_MEANING), *run_checks(context, selection))


def _newest_kubernetes(packages: Sequence[PackageContents], catalog: Catalog) -> Version | None:
    """Return the newest version of Kubernetes: of packages that are not versioned separately."""
    versions = []
    for package in packages:
        spec = catalog.packages.get(package.name)
        component = catalog.components.get(spec.component) if spec else None
        if component and not component.pairs and (version := upstream_version(package)):
            versions.append(version)
    return max(versions, default=None)
