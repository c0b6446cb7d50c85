"""Plans packages from settings, lock and catalog, without network access or other programs."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.build.lock.components import source_of
from kubeparcel.build.package_plan import (
    ComponentBinary,
    DebugFiles,
    FileContent,
    FilePlan,
    LocalFile,
    OmittedBinary,
    OwnedDirectory,
    PackagePlan,
    ProvenanceRecord,
    Symlink,
    TextContent,
)
from kubeparcel.config.kubelet_arguments import environment_value, split_arguments
from kubeparcel.config.package_spec import PackageVariant, relation_name
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import Lock
from kubeparcel.model import TIMESTAMP_LIMIT, Arch, Format, Version
from kubeparcel.templates import render

if TYPE_CHECKING:
    from kubeparcel.config.catalog import Catalog
    from kubeparcel.config.catalog_models import FileSpec, PackageSpec
    from kubeparcel.config.settings import Settings

DEBUG_FOLDER = "/usr/lib/debug/.build-id"
DEBUG_PACKAGES = {Format.DEB: "-dbgsym", Format.RPM: "-debuginfo"}
"""What the names of packages with debug symbols end in."""

_EXCLUDING = ("conflicts", "replaces")
"""Relations by which two packages may contain the same path."""


def plan_packages(settings: Settings, lock: Lock, catalog: Catalog) -> tuple[PackagePlan, ...]:
    """Return the packages of the settings and the lock, in a stable order.

    Raises ConfigurationError for an invalid template or missing file of the user.
    """
    specs = settings.catalog_packages(catalog.packages)
    kubernetes = lock.component("kubernetes").version
    plans = tuple(
        _plan_package(variant, arch, settings, lock, catalog, specs)
        for name, spec in specs.items()
        for format_ in settings.format
        for variant in [PackageVariant(name, spec, kubernetes, format_, settings.layout, settings.cni_bin_dir)]
        for arch in ([None] if spec.arch == "all" else settings.arch)
    )
    _require_one_owner(plans)
    if not lock.request.variant.debug:
        return plans
    compiled = (plan for plan in plans if source_of(lock, plan.component) != "upstream")
    return (*plans, *filter(None, map(_debug_package, compiled)))


def _require_one_owner(plans: Sequence[PackagePlan]) -> None:
    """Raise ConfigurationError for two packages that have one path, and do not conflict with one another."""
    owners: dict[tuple[Format, str], PackagePlan] = {}
    for plan in plans:
        all_binaries = ComponentBinary(plan.component)
        for file in plan.files:
            if isinstance(file.content, OwnedDirectory | OmittedBinary) or file.content == all_binaries:
                continue
            other = owners.setdefault((plan.format, file.path), plan)
            names = {plan.name: plan, other.name: other}
            excluded = {relation_name(text) for p in names.values() for kind, text in p.relations if kind in _EXCLUDING}
            if len(names) > 1 and not names.keys() & excluded:
                raise ConfigurationError(
                    f"kubeparcel.yaml: the packages {' and '.join(names)} both contain {file.path} ({plan.format}).",
                    f"Change one of the paths, or let {plan.name} exclude the other one: relations: [conflicts: "
                    f"{other.name}]",
                )


def _plan_package(
    variant: PackageVariant, arch: Arch | None, settings: Settings, lock: Lock, catalog: Catalog, names: Collection[str]
) -> PackagePlan:
    name, spec, format_ = variant.name, variant.spec, variant.format
    release = lock.component(spec.component or "kubernetes")
    version = Version.parse(spec.version) if spec.version else release.version
    context = _template_context(variant, str(version), release.released, settings, catalog)
    custom_files = settings.packages[name].files if name in catalog.packages and name in settings.packages else ()
    files = {  # The user's files come last and replace those of the catalog.
        (path, file.binaries): replace(_plan_file(file, path, spec, context, settings), custom=file in custom_files)
        for path, file in variant.files(catalog)
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
        relations=tuple(variant.relations(variant.distribution_conflicts(catalog, names))),
        scripts={at: render(template, context, settings.base) for at, template in variant.scripts().items()},
        time=_timestamp(release.released),
        compression=settings.compression,
    )


def _template_context(
    variant: PackageVariant, version: str, released: int, settings: Settings, catalog: Catalog
) -> dict[str, Any]:
    """Return the variables of templates."""
    name, spec = variant.name, variant.spec
    component = catalog.components.get(spec.component)
    return {
        **variant.paths(catalog),
        "obsolete": catalog.layouts[settings.layout][variant.format].obsolete,
        "program": next((file.binary for file in spec.files if file.binary), name),
        "title": component.title if component else name,
        "version": version,
        "year": datetime.fromtimestamp(released, UTC).year,
        "homepage": spec.homepage,
        "license": spec.license,
        "kubelet_extra_args": environment_value(split_arguments(settings.kubelet_extra_args)),
    }


def _fields(spec: PackageSpec, settings: Settings) -> dict[str, str]:
    names = ("section", "summary", "description", "license", "homepage")
    return {
        **{name: getattr(spec, name) for name in names},
        "description": spec.description.replace("{cnibindir}", settings.cni_bin_dir),
        "maintainer": settings.maintainer,
        "vendor": settings.vendor,
    }


def _timestamp(released: int) -> int:
    """Return SOURCE_DATE_EPOCH if it is set, else the time of the release."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch and not (epoch.isdecimal() and len(epoch) <= 10 and int(epoch) < TIMESTAMP_LIMIT):
        raise ConfigurationError(
            f"Invalid SOURCE_DATE_EPOCH {epoch!r}: expected seconds since 1970, below {TIMESTAMP_LIMIT}.",
            "Unset it to use the time of the release.",
        )
    return int(epoch or released)


def _plan_file(
    file: FileSpec, path: str, spec: PackageSpec, context: Mapping[str, Any], settings: Settings
) -> FilePlan:
    content: FileContent
    if file.binary or file.binaries:
        content = ComponentBinary(spec.component, file.binary)
    elif file.template:
        content = TextContent(render(file.template, context, settings.base))
    elif file.source:
        content = _local_file(settings.base / file.source, file.path)
    elif file.link:
        content = Symlink(file.link)
    elif file.remove:
        content = OmittedBinary()
    elif file.dir:
        content = OwnedDirectory()
    else:
        content = ProvenanceRecord() if file.provenance else TextContent(file.text)
    return FilePlan(path, file.permissions, content, file.config, file.role)


def _local_file(source: Path, path: str) -> LocalFile:
    if not source.is_file():
        raise ConfigurationError(
            f"kubeparcel.yaml: {path}: source file {source} not found.",
            "`source` is relative to the folder of kubeparcel.yaml.",
        )
    return LocalFile(source)


def _debug_package(plan: PackagePlan) -> PackagePlan | None:
    """Return the package with the debug symbols of a package's programs, as Debian and Fedora name it."""
    if not any(isinstance(file.content, ComponentBinary) for file in plan.files):
        return None
    name = plan.name + DEBUG_PACKAGES[plan.format]
    documents = tuple(
        replace(file, path=re.sub(rf"/{re.escape(plan.name)}(?=/|$)", f"/{name}", file.path))
        for file in plan.files
        if re.match(rf"/usr/share/(doc|licenses)/{re.escape(plan.name)}(/|$)", file.path)
    )
    texts = {
        "section": "debug",
        "summary": f"debug symbols for {plan.name}",
        "description": f"For gdb and delve, which find them by the build IDs of the programs in {plan.name}.",
    }
    return replace(
        plan,
        name=name,
        fields={**plan.fields, **texts},
        files=(FilePlan(DEBUG_FOLDER, 0o644, DebugFiles(plan.files)), *documents),
        relations=(("depends", f"{plan.name} (>= {plan.version}-{plan.revision})"),),
        scripts={},
    )
