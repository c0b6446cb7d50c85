"""Reads the catalog, the packages as data, and merges the user's `packages:` into it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence

from pydantic import model_validator

from kubeparcel.config.catalog_models import DistributionPackage, FileSpec, LayoutSpec, PackageSpec
from kubeparcel.config.component_models import ComponentSpec
from kubeparcel.config.data_files import load_data_file
from kubeparcel.config.field_types import StrictModel, VersionRange
from kubeparcel.model import Format


class Catalog(StrictModel):
    """The content of catalog.yaml, and the packages of distributions that own paths of ours."""

    components: Mapping[str, ComponentSpec]
    layouts: Mapping[str, Mapping[Format, LayoutSpec]]
    common: tuple[FileSpec, ...]
    packages: Mapping[str, PackageSpec]
    distribution_packages: tuple[DistributionPackage, ...] = ()

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

    @model_validator(mode="after")
    def _check_ranges(self) -> Catalog:
        for name, component in self.components.items():
            _check_disjoint(f"components.{name}.pairs", [row.kubernetes for row in component.pairs])
            _check_disjoint(f"components.{name}.upstream", [row.versions for row in component.upstream])
            _check_disjoint(f"components.{name}.signatures", [row.versions for row in component.signatures])
        return self


def _check_disjoint(path: str, ranges: Sequence[VersionRange]) -> None:
    for first, second in itertools.combinations(ranges, 2):
        if first.overlaps(second):
            raise ValueError(f"{path}: two rows match the same versions: {first} and {second}")


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
