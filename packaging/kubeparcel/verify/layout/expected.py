"""What a package should contain: exact for one that was just built, else by its record or the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kubeparcel.config.package_spec import PackageVariant
from kubeparcel.errors import UnknownVersion
from kubeparcel.model import Format, Version
from kubeparcel.packages import provenance
from kubeparcel.packages.manifest import ManifestFile, PackageManifest

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog
    from kubeparcel.config.catalog_models import FileSpec, PackageSpec
    from kubeparcel.packages.model import PackageContents

SCRIPT_NAMES: Mapping[Format, Mapping[str, str]] = {
    Format.DEB: {"preinstall": "preinst", "postinstall": "postinst", "preremove": "prerm", "postremove": "postrm"},
    Format.RPM: {"preinstall": "pre", "postinstall": "post", "preremove": "preun", "postremove": "postun"},
}
"""Each format's names of the scriptlets."""

UNKNOWN_VERSION = Version(9999)
"""Stands for the version of a package that cannot be read as one: the catalog's newest entries."""


@dataclass(frozen=True)
class ExpectedPackage:
    """What is expected of one package.

    `files` must exist; `binary_folders` may have any binaries, `unchecked_folders` anything.
    `programs` are the paths of binaries, `module` is their Go module. `obsolete_conffiles` belong
    to another layout and must be removed. Digests, `fields` and `scripts` (by the format's names)
    are known only if `exact`. `timestamp` is in seconds since 1970, 0 if unknown.
    """

    name: str
    files: Mapping[str, ManifestFile]
    relations: Mapping[str, frozenset[str]]
    version: str = ""
    arch: str = ""
    module: str = ""
    revision: str = ""
    programs: tuple[str, ...] = ()
    binary_folders: tuple[str, ...] = ()
    unchecked_folders: tuple[str, ...] = ()
    obsolete_conffiles: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    timestamp: int = 0
    exact: bool = False


NOT_IN_CATALOG = ExpectedPackage("", {}, {})
"""Expects nothing of a package."""


@dataclass(frozen=True)
class LayoutPaths:
    """Paths of the kubelet's files in all layouts of one format, and the catalog's packages."""

    env_files: tuple[str, ...]
    drop_in_dirs: tuple[str, ...]
    package_names: tuple[str, ...]

    @classmethod
    def from_catalog(cls, catalog: Catalog, format_: Format) -> LayoutPaths:
        layouts = [formats[format_] for formats in catalog.layouts.values()]
        return cls(
            tuple(dict.fromkeys(layout.envfile for layout in layouts)),
            tuple(dict.fromkeys(layout.dropindir for layout in layouts)),
            tuple(catalog.packages),
        )


def expected_from_build(manifest: PackageManifest, catalog: Catalog) -> ExpectedPackage:
    """Return the exact expectation of a package that was built from a manifest."""
    spec = catalog.packages.get(manifest.name)
    script_names = SCRIPT_NAMES[manifest.format]
    return replace(
        _expected(
            *(manifest.name, manifest.format, catalog, manifest.component),
            {file.path: file for file in manifest.files},
            _pairs(manifest.format_relations()),
        ),
        version=manifest.version,
        revision=manifest.revision,
        arch=manifest.arch_name,
        programs=tuple(file.path for file in (spec.files if spec else ()) if file.binary),
        fields=manifest.fields,
        scripts={script_names[name]: text for name, text in manifest.scripts.items()},
        timestamp=manifest.time,
        exact=True,
    )


def expected_from_package(
    contents: PackageContents, catalog: Catalog, kubernetes: Version | None
) -> ExpectedPackage | None:
    """Return what is expected of a package by the record in it, else by the catalog.

    The record includes the settings that made the package, which may not exist on this machine.
    """
    recorded = provenance.recorded_contents(provenance.read_record(contents))
    spec = catalog.packages.get(contents.name)
    if recorded is None:
        return _expected_from_catalog(contents, spec, catalog, kubernetes) if spec else None
    identity = (contents.name, contents.format, catalog, spec.component if spec else "")
    expected = _expected(*identity, recorded.files, _pairs(recorded.relations))
    return replace(expected, programs=recorded.programs)


def _expected_from_catalog(
    contents: PackageContents, spec: PackageSpec, catalog: Catalog, kubernetes: Version | None
) -> ExpectedPackage:
    """Return what the catalog expects of a package.

    `kubernetes` is the version of the packages it is installed with, for packages with versions
    of their own. Documentation and completions are expected only in packages of kubeparcel.
    """
    own = any(entry.path.endswith(f"/{provenance.FILE_NAME}") for entry in contents.entries)
    component = catalog.components.get(spec.component)
    upstream = upstream_version(contents)
    same_version = None if component and component.pairs else upstream
    version = same_version or kubernetes or upstream or UNKNOWN_VERSION
    variant = _best_variant(contents, spec, catalog, version)
    specs = [(path, file) for path, file in variant.files(catalog) if own or not path.startswith("/usr/share/")]
    files = {path: _manifest_file(path, file) for path, file in specs if not file.binaries}
    relations = (*variant.relations(), *_present_conflicts(contents, variant, catalog))
    return replace(
        _expected(contents.name, contents.format, catalog, spec.component, files, relations, own=own),
        programs=tuple(path for path, file in specs if file.binary),
        binary_folders=tuple(path for path, file in specs if file.binaries),
        unchecked_folders=() if own else ("/usr/share/",),
    )


def _expected(
    name: str,
    format_: Format,
    catalog: Catalog,
    component_name: str,
    files: Mapping[str, ManifestFile],
    relations: Iterable[tuple[str, str]],
    *,
    own: bool = True,
) -> ExpectedPackage:
    """Return what all ways to know a package's contents have in common; only its `own` packages follow kubeparcel."""
    component = catalog.components.get(component_name)
    if own and format_ is Format.DEB:  # nfpm writes a changelog
        path = f"/usr/share/doc/{name}/changelog.Debian.gz"
        files = {**files, path: ManifestFile(path, 0o644)}
    groups: dict[str, set[str]] = {}
    for kind, other in relations:
        groups.setdefault(kind, set()).add(unify_operators(other))
    return ExpectedPackage(
        name,
        files,
        {kind: frozenset(others) for kind, others in groups.items()},
        module=component.go.module if component else "",
        obsolete_conffiles=_obsolete_conffiles(files, format_, catalog) if own else (),
    )


def _pairs(relations: Mapping[str, Iterable[str]]) -> Iterable[tuple[str, str]]:
    return ((kind, other) for kind, others in relations.items() for other in others)


def _present_conflicts(
    contents: PackageContents, variant: PackageVariant, catalog: Catalog
) -> Iterable[tuple[str, str]]:
    """Return the conflicts with distributions' packages that a package has; upstream's packages have none."""
    return [
        (kind, other)
        for kind, other in variant.distribution_conflicts(catalog, catalog.packages)
        if unify_operators(other) in map(unify_operators, contents.relations.get(kind, ()))
    ]


def upstream_version(contents: PackageContents) -> Version | None:
    """Return upstream's version of a package; None if it cannot be parsed."""
    try:
        return Version.parse(contents.upstream_version)
    except UnknownVersion:
        return None


def unify_operators(other: str) -> str:
    """Return another package with the operators of both formats: `kubelet (< 1.37~)`."""
    return other.replace("<<", "<").replace(">>", ">")


def _best_variant(contents: PackageContents, spec: PackageSpec, catalog: Catalog, version: Version) -> PackageVariant:
    """Return the variant in the layout with most of the package's paths, by default the first."""
    paths = {entry.path for entry in contents.entries}
    variants = (PackageVariant(contents.name, spec, version, contents.format, layout) for layout in catalog.layouts)
    return max(variants, key=lambda variant: sum(p in paths for p, _ in variant.files(catalog)))


def _manifest_file(path: str, file: FileSpec) -> ManifestFile:
    kind = "dir" if file.dir else "link" if file.link else "file"
    return ManifestFile(path, file.permissions, kind, link=file.link, config=file.config)


def _obsolete_conffiles(files: Mapping[str, object], format_: Format, catalog: Catalog) -> tuple[str, ...]:
    """Return conffiles of the other layout that would mask a file of this package."""
    layouts = (formats[format_] for formats in catalog.layouts.values())
    return tuple(
        path
        for layout in layouts
        for path in layout.obsolete
        if path not in files and f"{layout.dropindir}/{PurePosixPath(path).name}" in files
    )
