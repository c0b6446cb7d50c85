"""What to make: settings, lock and catalog become a list of packages. No network, no programs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from kubeparcel.config.package_spec import PackageVariant
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Arch, Format, Lock, Version
from kubeparcel.templates import render

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog
    from kubeparcel.config.catalog_models import FileSpec, PackageSpec
    from kubeparcel.config.settings import Settings


@dataclass(frozen=True)
class ComponentBinary:
    """A binary of a component; no name means all that it has."""

    component: str
    name: str = ""


@dataclass(frozen=True)
class TextContent:
    """A file's content, filled in from a template or as the user wrote it."""

    text: str


@dataclass(frozen=True)
class LocalFile:
    """A file of the user's own."""

    path: Path


@dataclass(frozen=True)
class Symlink:
    """A symbolic link's target."""

    target: str


@dataclass(frozen=True)
class OwnedDirectory:
    """A directory that the package owns."""


@dataclass(frozen=True)
class ProvenanceRecord:
    """The record of where the package's binaries came from, known once they are there."""


FileContent: TypeAlias = (
    ComponentBinary | TextContent | LocalFile | Symlink | OwnedDirectory | ProvenanceRecord
)


@dataclass(frozen=True)
class FilePlan:
    """One path of a package, and what will be there."""

    path: str
    mode: int
    content: FileContent
    config: bool = False
    role: str = ""


@dataclass(frozen=True)
class PackagePlan:
    """One package file to make. `arch` None is for all; `time` is in seconds since 1970."""

    name: str
    version: str
    revision: str
    format: Format
    arch: Arch | None
    component: str
    fields: Mapping[str, str]
    files: tuple[FilePlan, ...]
    relations: tuple[tuple[str, str], ...]
    scripts: Mapping[str, str]
    time: int
    compression: str

    @property
    def file_name(self) -> str:
        """Its path below the output folder."""
        name = self.format.file_name(self.name, self.version, self.revision, self.arch)
        return f"{self.format}/{name}"


def plan_packages(settings: Settings, lock: Lock, catalog: Catalog) -> tuple[PackagePlan, ...]:
    """Every package that these settings and this lock mean, in a stable order.

    Raises ConfigurationError for a template or file of the user's that cannot be used.
    """
    return tuple(
        _package(name, spec, format_, arch, settings, lock, catalog)
        for name, spec in settings.catalog_packages(catalog.packages).items()
        for format_ in settings.format
        for arch in ([None] if spec.arch == "all" else settings.arch)
    )


def _package(
    name: str,
    spec: PackageSpec,
    format_: Format,
    arch: Arch | None,
    settings: Settings,
    lock: Lock,
    catalog: Catalog,
) -> PackagePlan:
    kubernetes = lock.component("kubernetes").version
    component = catalog.components.get(spec.component)
    released = lock.component(spec.component or "kubernetes")
    layout = catalog.layouts[settings.layout][format_]
    variant = PackageVariant(name, spec, kubernetes, format_, settings.layout)
    version = Version.parse(spec.version) if spec.version else released.version
    context = {
        **variant.paths(catalog),
        "obsolete": layout.obsolete,
        "program": next((row.binary for row in spec.files if row.binary), name),
        "title": component.title if component else name,
        "version": str(version),
        "year": datetime.fromtimestamp(released.released, UTC).year,
        "homepage": spec.homepage,
        "license": spec.license,
        "kubelet_extra_args": settings.kubelet_extra_args,
    }
    files = {  # of two rows for one path the later one counts: the user's
        (path, row.binaries): _file(row, path, spec, context, settings)
        for path, row in variant.files(catalog)
    }
    return PackagePlan(
        name=name,
        version=version.package_version,
        revision=settings.revision,
        format=format_,
        arch=arch,
        component=spec.component,
        fields=_fields(spec, settings),
        files=tuple(file for _, file in sorted(files.items(), key=lambda item: item[0])),
        relations=tuple(variant.relations()),
        scripts={
            row.at: render(row.template, context, settings.base)
            for row in spec.scripts
            if row.applies_to(kubernetes, format_, settings.layout)
        },
        time=_time(released.released),
        compression=settings.compression,
    )


def _fields(spec: PackageSpec, settings: Settings) -> dict[str, str]:
    own = ("section", "summary", "description", "license", "homepage")
    return {
        **{name: getattr(spec, name) for name in own},
        "maintainer": settings.maintainer,
        "vendor": settings.vendor,
    }


def _time(released: int) -> int:
    """The time that files carry: the release's own, or what SOURCE_DATE_EPOCH says."""
    named = os.environ.get("SOURCE_DATE_EPOCH", "")
    if named and not named.isdecimal():
        raise ConfigurationError(
            f"SOURCE_DATE_EPOCH: {named!r} is not a number of seconds since 1970.",
            "Unset it: packages then carry the time of their release.",
        )
    return int(named or released)


def _file(
    row: FileSpec, path: str, spec: PackageSpec, context: Mapping[str, Any], settings: Settings
) -> FilePlan:
    origin: FileContent
    if row.binary or row.binaries:
        origin = ComponentBinary(spec.component, row.binary)
    elif row.template:
        origin = TextContent(render(row.template, context, settings.base))
    elif row.source:
        origin = LocalFile(_own_file(settings.base / row.source, row.path))
    elif row.link:
        origin = Symlink(row.link)
    elif row.dir:
        origin = OwnedDirectory()
    else:
        origin = ProvenanceRecord() if row.provenance else TextContent(row.text)
    return FilePlan(path, row.permissions, origin, row.config, row.role)


def _own_file(path: Path, target: str) -> Path:
    if not path.is_file():
        raise ConfigurationError(
            f"kubeparcel.yaml: {target}: there is no file {path}.",
            "`source` is relative to the folder that holds kubeparcel.yaml.",
        )
    return path
