"""The packages as data: reads catalog.yaml and lays the user's `packages:` over it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence

from pydantic import model_validator

from kubeparcel.config.catalog_models import ComponentSpec, FileSpec, LayoutSpec, PackageSpec
from kubeparcel.config.data_files import load_data_file
from kubeparcel.config.field_types import StrictModel, VersionRange
from kubeparcel.model import Format


class Catalog(StrictModel):
    """All of catalog.yaml."""

    components: Mapping[str, ComponentSpec]
    layouts: Mapping[str, Mapping[Format, LayoutSpec]]
    common: tuple[FileSpec, ...]
    packages: Mapping[str, PackageSpec]

    @model_validator(mode="after")
    def _no_two_ranges_overlap(self) -> Catalog:
        for name, component in self.components.items():
            _apart(f"components.{name}.pairs", [row.kubernetes for row in component.pairs])
            _apart(f"components.{name}.upstream", [row.versions for row in component.upstream])
        return self


def _apart(where: str, ranges: Sequence[VersionRange]) -> None:
    for first, second in itertools.combinations(ranges, 2):
        if first.overlaps(second):
            raise ValueError(f"{where}: two rows match the same versions: {first} and {second}")


def merge_package(base: PackageSpec, own: PackageSpec) -> PackageSpec:
    """A package of the catalog with the user's fields over it.

    Lists grow: of two files at one path, or two scripts at one moment, the later one is made.
    """
    update = {name: getattr(own, name) for name in own.model_fields_set}
    for name in ("files", "relations", "scripts"):
        update[name] = (*getattr(base, name), *getattr(own, name))
    return base.model_copy(update=update)


@functools.cache
def load() -> Catalog:
    """The catalog that comes with kubeparcel."""
    return Catalog.model_validate(load_data_file("config/catalog.yaml"))
