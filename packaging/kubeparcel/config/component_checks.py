"""Checks the user's `components:` against the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from kubeparcel.config.catalog import Catalog
from kubeparcel.config.component_models import SERIES, ComponentSpec, UpstreamSpec
from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.errors import ConfigurationError, did_you_mean
from kubeparcel.model import Arch

RESERVED_NAMES = ("arches", "source", "programs", "go", "patches", "version-suffix", "components")
"""What kubeparcel.lock has next to the versions of components, so that no component has one of these names."""

_DOCUMENTATION = "docs/how-to/package-another-program.md has examples."


def check_components(
    rows: Mapping[str, ComponentSpec], catalog: Catalog, arches: Collection[Arch], file: YamlFile
) -> None:
    """Raise ConfigurationError for an incomplete component in `file`, or one that replaces the catalog's by mistake."""
    merged = catalog.with_components(rows).components
    for name, row in rows.items():
        problems = _problems_of_name(name, row, catalog) or _problems(name, merged[name], name in catalog.components)
        problem = next(iter([*problems, *_problems_of_files(merged[name], row, arches)]), None)
        if problem:
            (key, text, hint) = problem
            rest = file.data.get("components")
            location = file.locate(("components", name, *key)) if rest and name in rest else "--components"
            raise ConfigurationError(f"{location}: {'.'.join(['components', name, *map(str, key)])}: {text}", hint)


def check_compiled(
    key: str, components: Collection[str], built: Collection[str], catalog: Catalog, file: YamlFile
) -> None:
    """Raise ConfigurationError for `patches` or `trees` of components that are not built, or only downloaded."""
    for name in components:
        if name not in built:
            hint = f"Components of the packages: {', '.join(built)}."
            raise file.error((key, name), f"{name} is not built.", hint)
        if not catalog.components[name].go.module:
            hint = f"Add go.module to components.{name}."
            raise file.error((key, name), f"{name} is downloaded, not compiled.", hint)


def check_versions(file: YamlFile) -> None:
    """Raise ConfigurationError for a version that is set twice in kubeparcel.yaml."""
    components = file.data.get("components")
    for name in ("cri-tools", "cni"):
        row = components.get(name) if isinstance(components, Mapping) else None
        if file.data.get(name) and row and row.get("version"):
            location = file.locate(("components", name, "version"))
            raise ConfigurationError(
                f"{location}: the version of {name} is also set by `{name}:`.", "Keep one of them."
            )


Problem = tuple[tuple[str | int, ...], str, str]
"""The key of the invalid value in the row of a component, what is wrong, and what to do."""


def _problems_of_name(name: str, row: ComponentSpec, catalog: Catalog) -> list[Problem]:
    fields = [field for field in row.model_fields_set if field not in ("version", "override")]
    if name == "kubernetes":
        hint = "Set its version with `kubernetes: VERSION`, and build a fork from its git checkout: --source tree:DIR"
        return [((), "Kubernetes itself is not changed here.", hint)]
    if name in RESERVED_NAMES:
        return [((), "reserved name.", f"Choose a name other than {', '.join(RESERVED_NAMES)}.")]
    if name in catalog.components and fields and not row.override:
        text = f"the catalog has a component {name} already, whose {', '.join(sorted(fields))} this would replace."
        return [((), text, "Choose another name, or add `override: true` if that is what you want.")]
    if name not in catalog.components and row.override:
        return [(("override",), f"the catalog has no component {name}.", _components_hint(name, catalog))]
    if name not in catalog.components and not row.upstream and not row.go.module:
        text = "unknown component. To define a new one, add go.module or upstream."
        return [((), text, _components_hint(name, catalog))]
    return []


def _components_hint(name: str, catalog: Catalog) -> str:
    names = ", ".join(catalog.components)
    return f"{did_you_mean(name, catalog.components)} Components of the catalog: {names}. {_DOCUMENTATION}".lstrip()


def _problems(name: str, spec: ComponentSpec, known: bool) -> list[Problem]:
    if not known and not spec.version and not spec.pairs:
        return [((), "version is missing.", 'Add for example version: "1.2.3".')]
    if spec.upstream and not spec.binaries and any(row.binary for row in spec.upstream):
        return [((), "binaries is missing: the names of the programs at upstream.binary.", f"Add: binaries: [{name}]")]
    return []


def _problems_of_files(spec: ComponentSpec, row: ComponentSpec, arches: Collection[Arch]) -> Iterator[Problem]:
    """Yield what is wrong with files whose digests nobody states, or not for all of them."""
    for index, upstream in enumerate(row.upstream):
        key: tuple[str | int, ...] = ("upstream", index)
        if not upstream.sha256:
            yield from _problems_of_checksums(key, spec, upstream, "checksums" in row.model_fields_set)
            continue
        if missing := ", ".join(arch for arch in arches if arch not in upstream.sha256):
            yield (*key, "sha256"), f"no digest for {missing}.", "Add it, or build for the others only (arch)."
        if upstream.binary and len(spec.binaries) > 1:
            text = f"one digest for the files of {len(spec.binaries)} binaries."
            yield (*key, "sha256"), text, "Make a component of each binary, or use an archive."
        if SERIES.fullmatch(spec.version) or any(pair.version == "minor" for pair in spec.pairs):
            text = "a minor has several versions, but sha256 is the digest of one file."
            yield ("version",) if spec.version else ("pairs",), text, "Write an exact version."


def _problems_of_checksums(
    key: tuple[str | int, ...], spec: ComponentSpec, upstream: UpstreamSpec, stated: bool
) -> Iterator[Problem]:
    hint = "Add sha256: {amd64: DIGEST, …} with the 64 digits that sha256sum prints"
    if not stated and not spec.override:
        text = "digests are missing, so that anyone who can change the file could change the packages."
        yield key, text, f'{hint}, or the name of the file with checksums next to it: checksums: "{{file}}.sha256"'
    elif urlsplit(upstream.url).scheme != "https":
        yield (
            key,
            "over http, anyone on the network path could change the file and its checksum.",
            f"{hint}, or use https.",
        )
