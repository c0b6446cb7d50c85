"""What the catalog and the kubelet contract expect of the packages of one host."""

from __future__ import annotations

from collections.abc import Mapping

from kubeparcel.config import catalog as catalogs
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.model import Version
from kubeparcel.packages.model import FileType, PackageContents
from kubeparcel.verify.layout.checks.relations import is_generated
from kubeparcel.verify.layout.expected import LayoutPaths, expected_from_package

ENV_HOLDER = "kubelet"
"""The package that has the kubelet's environment file."""

_COMPLETIONS = "/usr/share/bash-completion/completions/"


def binaries(packages: PackageSet) -> Mapping[str, PackageContents]:
    """Return the packages' programs by path, each with its package.

    A file in a folder of programs counts even if it is not executable.
    """
    return {
        entry.path: contents
        for contents in packages.contents
        for entry in contents.entries
        if entry.kind is FileType.FILE
        and (entry.mode & 0o111 or entry.path.startswith(("/usr/bin/", f"{packages.cni_bin_dir}/")))
    }


def has_fips_module(packages: PackageSet) -> bool:
    """Return whether the kubelet is compiled with Go's FIPS 140-3 module."""
    entries = packages.only([ENV_HOLDER]).entries
    return any(entry.elf.go.settings.get("GOFIPS140") for entry in entries if entry.elf and entry.elf.go)


def config_files(packages: PackageSet) -> tuple[str, ...]:
    """Return the paths that an administrator edits: conffiles and the environment file."""
    env_files = LayoutPaths.from_catalog(catalogs.load(), packages.format).env_files
    files = (entry for entry in packages.entries if entry.kind is FileType.FILE)
    return tuple(entry.path for entry in files if entry.is_conffile or entry.path in env_files)


def completed_programs(packages: PackageSet) -> tuple[str, ...]:
    """Return the names of the programs that the packages have bash completions for."""
    paths = (entry.path for entry in packages.entries if entry.path.startswith(_COMPLETIONS))
    return tuple(filter(None, (path.removeprefix(_COMPLETIONS) for path in paths)))


def dependencies_of(packages: PackageSet, name: str) -> tuple[str, ...]:
    """Return the names of the packages that this one depends on, by its record or the catalog."""
    by_name = {contents.name: contents for contents in packages.contents}
    kubernetes = Version.parse(by_name[ENV_HOLDER].upstream_version) if ENV_HOLDER in by_name else None
    expected = expected_from_package(by_name[name], catalogs.load(), kubernetes)
    relations = expected.relations.get("depends", ()) if expected else ()
    names = (relation.partition(" (")[0] for relation in relations if not is_generated(relation))
    return tuple(sorted(names))


def external_dependencies(packages: PackageSet) -> tuple[str, ...]:
    """Return what the packages depend on that is not among them."""
    required = {other for name in packages.names for other in dependencies_of(packages, name)}
    return tuple(sorted(required.difference(packages.names)))
