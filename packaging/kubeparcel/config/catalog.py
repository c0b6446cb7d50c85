"""Reads the catalog, the packages as data, and merges the user's `components:` and `packages:` into it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from kubeparcel.config.catalog_models import FileSpec, PackageSpec
from kubeparcel.config.component_models import ComponentSpec
from kubeparcel.config.field_types import RelationText, StrictModel
from kubeparcel.config.yaml_file import load_data_file
from kubeparcel.model import Format

if TYPE_CHECKING:
    from kubeparcel.lock_models import Request


class LayoutSpec(StrictModel):
    """The paths of one layout and format; `obsolete` are conffiles of the other layouts."""

    unitdir: str
    dropindir: str
    envfile: str
    zshdir: str
    obsolete: tuple[str, ...] = ()


class DistributionPackage(StrictModel):
    """A package of a distribution that owns paths of the catalog's packages: files, and folders with a final slash.

    `package` may be a virtual one, and have a version bound. `source` documents the paths.
    """

    package: RelationText
    formats: tuple[Format, ...]
    paths: tuple[str, ...]
    source: str

    def owns(self, path: str) -> bool:
        """Return whether the package owns a file, or may own it because it is in its folder."""
        return path in self.paths or f"{path.rpartition('/')[0]}/" in self.paths


class Catalog(StrictModel):
    """The content of catalog.yaml, and the packages of distributions that own the same paths."""

    components: Mapping[str, ComponentSpec]
    layouts: Mapping[str, Mapping[Format, LayoutSpec]]
    common: tuple[FileSpec, ...]
    packages: Mapping[str, PackageSpec]
    distribution_packages: tuple[DistributionPackage, ...] = ()

    def with_components(self, rows: Mapping[str, ComponentSpec]) -> Catalog:
        """Return a catalog with the user's components, whose fields override those of the catalog."""
        merged = {name: _merge_component(name, self.components.get(name), spec) for name, spec in rows.items()}
        return self.model_copy(update={"components": {**self.components, **merged}})

    def with_programs(self, programs: Iterable[str]) -> Catalog:
        """Return a catalog whose components have more binaries, each as COMPONENT/NAME."""
        components = dict(self.components)
        for program in programs:
            name, _, binary = program.partition("/")
            binaries = (*components[name].binaries, binary)
            components[name] = components[name].model_copy(update={"binaries": binaries})
        return self.model_copy(update={"components": components})

    def default_components(self) -> list[str]:
        """Return the components of the packages that every build makes."""
        needed = {spec.component for spec in self.packages.values() if not spec.optional}
        return [name for name in self.components if name in needed]


def _merge_component(name: str, base: ComponentSpec | None, changes: ComponentSpec) -> ComponentSpec:
    if base is None:
        return changes if changes.title else changes.model_copy(update={"title": name})
    update = {field: getattr(changes, field) for field in changes.model_fields_set}
    if {"go", "upstream"} & update.keys():  # files of the catalog's project are not those of a fork
        dropped = {"go", "upstream", "signatures"} - update.keys()
        update |= {name: ComponentSpec.model_fields[name].default for name in dropped}
    return base.model_copy(update=update)


def merge_package(base: PackageSpec, changes: PackageSpec) -> PackageSpec:
    """Return a package of the catalog with the user's fields.

    Lists are appended; of two files with one path, or two scripts for one event, the last one wins. Rows
    with `remove` take away those before them.
    """
    update = {name: getattr(changes, name) for name in changes.model_fields_set}
    for name in ("files", "relations", "scripts"):
        update[name] = (*getattr(base, name), *getattr(changes, name))
    return base.model_copy(update=update)


@functools.cache
def load() -> Catalog:
    """Return kubeparcel's catalog."""
    distribution_packages = load_data_file("config/distribution_packages.yaml")
    document = {**load_data_file("config/catalog.yaml"), "distribution-packages": distribution_packages}
    return Catalog.model_validate(document)


def for_request(request: Request) -> Catalog:
    """Return the catalog with the components and binaries that a request, of a lock for example, has in addition."""
    rows = {name: ComponentSpec.model_validate(row) for name, row in request.components.items()}
    return load().with_components(rows).with_programs(request.programs)
