"""Checks the user's `packages:` against the catalog, and whether what its rows remove exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING

from kubeparcel.config.catalog import Catalog
from kubeparcel.config.catalog_models import PackageSpec
from kubeparcel.config.component_models import ComponentSpec
from kubeparcel.config.package_spec import PackageVariant, relation_name
from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.errors import ConfigurationError, did_you_mean
from kubeparcel.model import Format, Version

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog


def check_packages(
    packages: Mapping[str, PackageSpec],
    merged: Mapping[str, PackageSpec],
    catalog: Catalog,
    cni_bin_dir: str,
    file: YamlFile,
) -> None:
    """Raise ConfigurationError for an incomplete new package, or a component or binary that does not exist.

    `merged` are the packages with what the catalog has of them, `file` is kubeparcel.yaml.
    """
    for name in packages:
        spec = merged[name]
        location = file.locate(("packages", name)) if name in (file.data.get("packages") or ()) else "--packages"
        missing = [] if spec.summary else ["summary"]
        missing += [] if spec.version or spec.component else ["version"]
        if missing:
            suggestion = did_you_mean(name, catalog.packages)
            raise ConfigurationError(
                f"{location}: unknown package {name!r}. "
                f"To define a new package, add {' and '.join(missing)}.{suggestion}",
                f"Packages in the catalog: {', '.join(catalog.packages)}. "
                "docs/how-to/customize-packages.md has an example.",
            )
        if spec.component and spec.component not in catalog.components:
            problem, hint = f"unknown component {spec.component!r}.", f"Components: {', '.join(catalog.components)}."
            raise file.error(("packages", name, "component"), problem, hint)
        _check_binaries(name, spec, catalog.components, location)
        for (field, index), problem in unknown_removals(name, packages[name], catalog, cni_bin_dir):
            raise file.error(("packages", name, field, index), problem)


def _check_binaries(name: str, spec: PackageSpec, components: Mapping[str, ComponentSpec], location: str) -> None:
    requested = [row.binary for row in spec.files if row.binary or row.binaries]
    if not requested:
        return
    if not spec.component or spec.arch == "all":
        raise ConfigurationError(
            f"{location}: package {name} contains binaries, so it needs `component` and must not set `arch`.",
            f"Components: {', '.join(components)}.",
        )
    component = components[spec.component]
    available = component.binaries
    for binary in requested:
        if not binary or not available or binary in available:
            continue
        suggestion = did_you_mean(binary, available, 0.85)
        if suggestion or not component.has_single_files:
            raise ConfigurationError(
                f"{location}: {spec.component} has no binary {binary}.{suggestion}", f"It has: {', '.join(available)}."
            )


def unknown_removals(
    name: str, changes: PackageSpec, catalog: Catalog, cni_bin_dir: str
) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the field and index of each row that removes what no variant of a package has, with an explanation."""
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
            kind = "file " if field == "files" else ""
            yield (field, index), f"{name} has no {kind}{subject} to remove.{did_you_mean(subject, known[field])}"


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
