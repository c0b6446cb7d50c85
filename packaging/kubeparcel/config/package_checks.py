"""Checks the user's `packages:` against the catalog."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from kubeparcel.config.catalog import Catalog
from kubeparcel.config.catalog_models import PackageSpec
from kubeparcel.config.component_models import ComponentSpec
from kubeparcel.config.removals import unknown_removals
from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.errors import ConfigurationError


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
            suggestion = _did_you_mean(difflib.get_close_matches(name, catalog.packages, 1))
            raise ConfigurationError(
                f"{location}: unknown package {name!r}. "
                f"To define a new package, add {' and '.join(missing)}.{suggestion}",
                f"Packages in the catalog: {', '.join(catalog.packages)}. "
                "docs/how-to/customize-packages.md has an example.",
            )
        if spec.component and spec.component not in catalog.components:
            raise ConfigurationError(
                f"{file.locate(('packages', name, 'component'))}: packages.{name}.component: "
                f"unknown component {spec.component!r}.",
                f"Components: {', '.join(catalog.components)}.",
            )
        _check_binaries(name, spec, catalog.components, location)
        for (field, index), problem in unknown_removals(name, packages[name], catalog, cni_bin_dir):
            row = file.locate(("packages", name, field, index))
            raise ConfigurationError(f"{row}: packages.{name}.{field}.{index}: {problem}")


def _did_you_mean(names: list[str]) -> str:
    return f" Did you mean {names[0]}?" if names else ""


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
        nearest = difflib.get_close_matches(binary, available, 1, 0.85)
        if nearest or not component.has_single_files:
            raise ConfigurationError(
                f"{location}: {spec.component} has no binary {binary}.{_did_you_mean(nearest)}",
                f"It has: {', '.join(available)}.",
            )
