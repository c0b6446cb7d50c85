"""What a package should hold: exactly, for one that was just made; else by the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kubeparcel.errors import UnknownVersion
from kubeparcel.model import Format, Version
from kubeparcel.packages.manifest import ManifestFile, PackageManifest
from kubeparcel.verify.layout.expectation import ExpectedPackage

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog
    from kubeparcel.config.catalog_models import FileSpec, LayoutSpec, PackageSpec
    from kubeparcel.packages.reader import PackageContents

PROVENANCE_FILE = "provenance.json"
"""The record that our packages hold, by which they are known."""

SCRIPT_NAMES: Mapping[Format, Mapping[str, str]] = {
    Format.DEB: {
        "preinstall": "preinst",
        "postinstall": "postinst",
        "preremove": "prerm",
        "postremove": "postrm",
    },
    Format.RPM: {
        "preinstall": "pre",
        "postinstall": "post",
        "preremove": "preun",
        "postremove": "postun",
    },
}
"""The moments' names in each format."""


@dataclass(frozen=True)
class LayoutPaths:
    """Where things are in some layout of one format, and the names of the catalog's packages."""

    env_files: tuple[str, ...]
    drop_in_dirs: tuple[str, ...]
    package_names: tuple[str, ...]

    @classmethod
    def from_catalog(cls, catalog: Catalog, format_: Format) -> LayoutPaths:
        """The places that the catalog has for a format."""
        layouts = [rows[format_] for rows in catalog.layouts.values()]
        return cls(
            tuple(dict.fromkeys(layout.envfile for layout in layouts)),
            tuple(dict.fromkeys(layout.dropindir for layout in layouts)),
            tuple(catalog.packages),
        )


def expected_from_build(package: PackageManifest, catalog: Catalog) -> ExpectedPackage:
    """All of a package that was made from this description."""
    component = catalog.components.get(package.component)
    spec = catalog.packages.get(package.name)
    files = {file.path: file for file in package.files}
    if package.format is Format.DEB:
        files |= _changelog(package.name)
    names = SCRIPT_NAMES[package.format]
    return ExpectedPackage(
        name=package.name,
        version=package.version,
        revision=package.revision,
        arch=package.arch_name,
        files=files,
        relations=_exact_relations(package),
        module=component.go.module if component else "",
        programs=tuple(row.path for row in (spec.files if spec else ()) if row.binary),
        obsolete_conffiles=_obsolete(files, package.format, catalog),
        fields=package.fields,
        scripts={names[at]: text for at, text in package.scripts.items()},
        timestamp=package.time,
        exact=True,
    )


def _changelog(name: str) -> dict[str, ManifestFile]:
    """Where nfpm puts a deb's changelog."""
    path = f"/usr/share/doc/{name}/changelog.Debian.gz"
    return {path: ManifestFile(path, 0o644)}


def _exact_relations(package: PackageManifest) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for relation, other in package.relations:
        rpm = package.format is Format.RPM
        name = "conflicts" if rpm and relation == "breaks" else relation
        found.setdefault(name, set()).add(normalize_relation(other))
    if package.format is Format.RPM and package.scripts:
        found.setdefault("depends", set()).add("/bin/sh")
    return {name: frozenset(others) for name, others in found.items()}


def normalize_relation(other: str) -> str:
    """A relation with the signs that both formats have: `kubelet (< 1.37~)`."""
    return other.replace("<<", "<").replace(">>", ">")


def _obsolete(files: Mapping[str, object], format_: Format, catalog: Catalog) -> tuple[str, ...]:
    """The old conffiles that would mask a file that this package has elsewhere."""
    names = {PurePosixPath(path).name for path in files}
    rows = (rows[format_] for rows in catalog.layouts.values() if rows[format_].obsolete)
    return tuple(
        path
        for layout in rows
        for path in layout.obsolete
        if path not in files
        and PurePosixPath(path).name in names
        and f"{layout.dropindir}/{PurePosixPath(path).name}" in files
    )


def expected_from_catalog(
    contents: PackageContents, catalog: Catalog, kubernetes: Version | None
) -> ExpectedPackage | None:
    """What the catalog says of a package by its name, version, format and files.

    `kubernetes` is the version it goes with, for packages that have versions of their own. Of a
    package that is not ours no documentation and completions are expected. None when the
    catalog has no package of that name.
    """
    spec = catalog.packages.get(contents.name)
    if spec is None:
        return None
    ours = any(entry.path.endswith(f"/{PROVENANCE_FILE}") for entry in contents.entries)
    component = catalog.components.get(spec.component)
    version = (None if component and component.pairs else upstream_version(contents)) or kubernetes
    version = version or upstream_version(contents) or Version(9999)
    layout = _layout(contents, spec, catalog, version)
    rows = [
        (path, row)
        for path, row in _rows(contents, spec, catalog, layout, version)
        if ours or not path.startswith("/usr/share/")
    ]
    files = {
        path: ManifestFile(path, row.permissions, _kind(row), link=row.link, config=row.config)
        for path, row in rows
        if not row.binaries
    }
    if ours and contents.format is Format.DEB:
        files |= _changelog(contents.name)
    here = (version, contents.format, layout)
    relations: dict[str, set[str]] = {}
    for limited in spec.relations:
        if limited.applies_to(*here):
            other = normalize_relation(_filled(limited.text, _series(version)))
            relations.setdefault(limited.kind, set()).add(other)
    return ExpectedPackage(
        name=contents.name,
        version="",
        arch="",
        files=files,
        relations={name: frozenset(others) for name, others in relations.items()},
        module=component.go.module if component else "",
        programs=tuple(path for path, row in rows if row.binary),
        binary_folders=tuple(path for path, row in rows if row.binaries),
        unchecked_folders=() if ours else ("/usr/share/",),
        obsolete_conffiles=_obsolete(files, contents.format, catalog) if ours else (),
    )


def upstream_version(contents: PackageContents) -> Version | None:
    """Upstream's version that a package has; None where it cannot be read as one."""
    try:
        return Version.parse(contents.version.replace("~", "-", 1))
    except UnknownVersion:
        return None


def _layout(
    contents: PackageContents, spec: PackageSpec, catalog: Catalog, version: Version
) -> str:
    """The layout that most of the package's paths are in; the first one where it says nothing."""
    held = {entry.path for entry in contents.entries}

    def hits(layout: str) -> int:
        return sum(path in held for path, _ in _rows(contents, spec, catalog, layout, version))

    return max(catalog.layouts, key=hits)


def _rows(
    contents: PackageContents, spec: PackageSpec, catalog: Catalog, layout: str, version: Version
) -> Iterator[tuple[str, FileSpec]]:
    place: LayoutSpec = catalog.layouts[layout][contents.format]
    names = {**place.model_dump(), "package": contents.name}
    for row in (*spec.files, *catalog.common):
        nothing_to_record = row.provenance and not spec.component
        if row.applies_to(version, contents.format, layout) and not nothing_to_record:
            yield _filled(row.path, names), row


def _kind(row: FileSpec) -> str:
    return "dir" if row.dir else "link" if row.link else "file"


def _series(version: Version) -> dict[str, str]:
    return {
        "minor": version.series,
        "next-minor": f"{version.major}.{version.minor + 1}",
        "after-next-minor": f"{version.major}.{version.minor + 2}",
    }


def _filled(text: str, names: Mapping[str, object]) -> str:
    """Put values for the catalog's `{names}`; one that is unknown stays: planning refuses it."""
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
