"""The layout level: finished packages are read back, and checked without installing anything."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from kubeparcel.config import catalog as catalogs
from kubeparcel.errors import KubeparcelError
from kubeparcel.model import Format, Version
from kubeparcel.packages.find import find_package_files
from kubeparcel.paths import display_path
from kubeparcel.reports.results import Check, CheckedPackage, Finding, Report

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog
    from kubeparcel.packages.reader import Contents, Known
    from kubeparcel.verify.layout.expectation import ExpectedPackage

LEVEL = "layout"
READER_THREADS = min(4, os.cpu_count() or 1)
"""How many packages are read at a time: each has one unpacked payload in memory."""

READABLE_CHECK = "readable"
"""The check that a file is a whole package: without it, no other can be made."""

FormatArch: TypeAlias = tuple[Format, str]
"""Packages that may be on one host together: a format, and an architecture by its name there."""

PathOwners: TypeAlias = Mapping[FormatArch, Mapping[str, frozenset[str]]]
"""For each set and path, the packages that hold it."""


def check_paths(paths: Sequence[Path], catalog: Catalog | None = None) -> Report:
    """Check package files, and those in folders, ours or anyone's, against the catalog.

    `catalog` is ours unless given: one with the user's packages knows those too. Raises
    UsageError when a path does not exist, or no package is anywhere.
    """
    from kubeparcel.packages.reader import Known
    from kubeparcel.verify.layout.expected import expected_from_catalog

    started = time.monotonic()
    files = find_package_files(paths)
    rows = catalog or catalogs.load()
    with ThreadPoolExecutor(READER_THREADS, "reading") as pool:
        found = list(pool.map(functools.partial(read_package, known=Known()), files))
    whole = [one for one in found if not isinstance(one, KubeparcelError)]
    holders = path_owners(
        (one.format, one.arch, one.name, entry.path)
        for one in whole
        for entry in one.entries
        if entry.kind != "dir"
    )
    kubernetes = _kubernetes(whole, rows)
    checks: list[Check] = []
    for file, one in zip(files, found, strict=True):
        whole_one = None if isinstance(one, KubeparcelError) else one
        expected = expected_from_catalog(whole_one, rows, kubernetes) if whole_one else None
        checks += check_package(one, display_path(file), expected, rows, holders)
    took = time.monotonic() - started
    return Report(LEVEL, tuple(checks), took, packages=tuple(_packaged(one) for one in whole))


def _packaged(one: Contents) -> CheckedPackage:
    version = f"{one.version}-{one.revision}" if one.revision else one.version
    return CheckedPackage(display_path(one.file), one.name, version, one.arch, str(one.format))


def read_package(file: Path, known: Known | None = None) -> Contents | KubeparcelError:
    """The contents of a package file, or why it cannot be read."""
    from kubeparcel.packages import reader

    try:
        return reader.read(file, known)
    except KubeparcelError as error:
        return error


def check_package(
    found: Contents | KubeparcelError,
    name: str,
    expected: ExpectedPackage | None,
    catalog: Catalog,
    holders: PathOwners,
) -> tuple[Check, ...]:
    """All checks of one package, called `name` in them; of one that cannot be read there is one."""
    from kubeparcel.verify.layout import checks
    from kubeparcel.verify.layout.check_context import CheckContext
    from kubeparcel.verify.layout.expected import LayoutPaths

    meaning = "the file is a whole package"
    if isinstance(found, KubeparcelError):
        fault = Finding("a whole package", found.message, hint=found.hint)
        return (Check(READABLE_CHECK, name, meaning, (fault,)),)
    owners = holders.get((found.format, found.arch), {})
    subject = CheckContext(
        name, found, expected, LayoutPaths.from_catalog(catalog, found.format), owners
    )
    return (Check(READABLE_CHECK, name, meaning), *checks.check(subject))


def path_owners(rows: Iterable[tuple[Format, str, str, str]]) -> PathOwners:
    """Who holds each path; a row is a format, an architecture, a package and a path of it."""
    found: dict[FormatArch, dict[str, frozenset[str]]] = {}
    for format_, arch, name, path in rows:
        paths = found.setdefault((format_, arch), {})
        paths[path] = paths.get(path, frozenset()) | {name}
    return found


def _kubernetes(found: Sequence[Contents], catalog: Catalog) -> Version | None:
    """The newest Kubernetes among the packages: those whose component has no versions beside it."""
    from kubeparcel.verify.layout.expected import upstream_version

    versions = []
    for one in found:
        spec = catalog.packages.get(one.name)
        component = catalog.components.get(spec.component) if spec else None
        if component and not component.pairs and (version := upstream_version(one)):
            versions.append(version)
    return max(versions, default=None)
