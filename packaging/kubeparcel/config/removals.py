"""Rows of kubeparcel.yaml that take rows of the catalog away, and whether these exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from kubeparcel.config.catalog_models import PackageSpec
from kubeparcel.config.package_spec import PackageVariant, relation_name
from kubeparcel.model import Format, Version

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog


def unknown_removals(
    name: str, changes: PackageSpec, catalog: Catalog, cni_bin_dir: str
) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield each row that removes what a package has in no version, format or layout, with an explanation.

    The row is a field and an index, such as ("files", 0).
    """
    base = catalog.packages.get(name, PackageSpec.model_validate({}))
    relations = {(row.kind, row.name) for row in base.relations}
    foreign = [relation_name(other.package) for other in catalog.distribution_packages]
    relations |= {*product(("conflicts", "replaces"), foreign)}
    known: dict[str, set[str]] = {
        "files": _paths(name, base, catalog, cni_bin_dir),
        "relations": {f"{kind} {other}" for kind, other in relations},
        "scripts": {row.at for row in base.scripts},
    }
    for field, index, wanted, subject in _removals(name, changes, catalog, cni_bin_dir):
        if not wanted & known[field]:
            nearest = difflib.get_close_matches(subject, known[field], 1)
            suggestion = f" Did you mean {nearest[0]}?" if nearest else ""
            kind = "file " if field == "files" else ""
            yield (field, index), f"{name} has no {kind}{subject} to remove.{suggestion}"


def _removals(
    name: str, changes: PackageSpec, catalog: Catalog, cni_bin_dir: str
) -> Iterator[tuple[str, int, set[str], str]]:
    """Yield the field and index of each removal, the names that it may match, and the text of the user."""
    for index, file in enumerate(changes.files):
        if file.remove:
            paths = {variant.expand(file.path, catalog) for variant in _variants(name, changes, catalog, cni_bin_dir)}
            yield "files", index, {*paths, *(f"{path.rpartition('/')[0]}/*" for path in paths)}, file.path
    for index, relation in enumerate(changes.relations):
        if relation.remove:
            subject = f"{relation.kind} {relation.name}"
            yield "relations", index, {subject}, subject
    for index, script in enumerate(changes.scripts):
        if script.remove:
            yield "scripts", index, {script.at}, script.at


def _paths(name: str, base: PackageSpec, catalog: Catalog, cni_bin_dir: str) -> set[str]:
    """Return all paths of a package of the catalog; `/*` means all binaries in a folder."""
    paths = set()
    for variant in _variants(name, base, catalog, cni_bin_dir):
        for file in (*catalog.common, *variant.spec.files):
            path = variant.expand(file.path, catalog)
            paths |= {path, f"{path}/*"} if file.binaries else {path}
    return paths


def _variants(name: str, spec: PackageSpec, catalog: Catalog, cni_bin_dir: str) -> Iterator[PackageVariant]:
    for format_, layout in product(Format, catalog.layouts):
        yield PackageVariant(name, spec, Version(0), format_, layout, cni_bin_dir)
