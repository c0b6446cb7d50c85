"""Which of several versions of packages belong together: the releases in an output folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kubeparcel.config.catalog import Catalog
from kubeparcel.config.kubernetes_packages import CORE_COMPONENT
from kubeparcel.console import Log
from kubeparcel.errors import UnknownVersion, UsageError
from kubeparcel.model import Format, Version
from kubeparcel.packages.versions import version_key
from kubeparcel.reports.results import Report

_NAMES = {
    Format.DEB: re.compile(r"(?P<name>[^_]+)_(?P<version>[^_]+)-(?P<revision>[^_-]+)_(?P<arch>[^_]+)\.deb"),
    Format.RPM: re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<revision>[^-]+)\.(?P<arch>[^.]+)\.rpm"),
}
MINOR = "minor"
"""The version in a pair of a component that has a release for each minor of Kubernetes."""


@dataclass(frozen=True)
class Release:
    """A version of Kubernetes, and the package files that are installed with it; no version if there is only one."""

    version: Version | None
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Package:
    file: Path
    format: Format
    name: str
    arch: str
    version: Version
    text: str

    @classmethod
    def of(cls, file: Path) -> _Package | None:
        """Return what the name of a file says; None for another name."""
        for format_, pattern in _NAMES.items():
            if match := pattern.fullmatch(file.name):
                try:
                    version = Version.parse(match["version"].replace("~", "-", 1))
                except UnknownVersion:
                    return None
                text = f"{match['version']}-{match['revision']}"
                return cls(file, format_, match["name"], match["arch"], version, text)
        return None


def find_releases(files: Sequence[Path], catalog: Catalog) -> tuple[Release, ...]:
    """Return the releases of package files by their names, the oldest first, each with the other packages that fit it.

    Packages that fit none are in a last one without a version. A single release has all files.
    """
    packages = {file: package for file in files if (package := _Package.of(file))}
    core = {p.file: p for p in packages.values() if _component(p, catalog) == CORE_COMPONENT}
    versions = sorted({str(p.version): p.version for p in core.values()}.values(), key=lambda v: (v, v.build or ""))
    if len(versions) < 2:
        return (Release(None, tuple(files)),)
    others = [package for package in packages.values() if package.file not in core]
    releases = []
    for version in versions:
        own = {package.file for package in core.values() if str(package.version) == str(version)}
        own |= {package.file for package in _fitting(others, version, catalog)}
        releases.append(Release(version, tuple(file for file in files if file in own)))
    used = {file for release in releases for file in release.files}
    rest = tuple(file for file in files if file not in used)
    return (*releases, *([Release(None, rest)] if rest else []))


def select_release(releases: Sequence[Release], requested: str) -> Release:
    """Return the newest release of a version or minor, such as 1.35, 1.35.4 or 1.36.3+acme.1; raise UsageError."""
    named = {release: release.version for release in releases if release.version}
    matching = [
        release
        for release, version in named.items()
        if requested.removeprefix("v") in (str(version), version.series, str(version.release))
    ]
    if not matching:
        found = ", ".join(map(str, named.values()))
        raise UsageError(
            f"--kubernetes {requested}: no packages of this release.",
            f"Available: {found}." if found else "All packages are of one release: omit --kubernetes.",
        )
    return matching[-1]


def files_for_hosts(releases: Sequence[Release], paths: tuple[Path, ...], log: Log) -> tuple[Path, ...]:
    """Return the files of the newest release, which hosts get; all paths if there is only one."""
    named = [release for release in releases if release.version]
    if not named:
        return paths
    if len(named) > 1:
        versions = ", ".join(str(release.version) for release in named)
        log.info("Releases", f"{versions}   (on hosts the last one; another: --kubernetes VERSION)")
    return named[-1].files


def merge_reports(reports: Sequence[Report]) -> Report:
    """Return one report of the reports of several releases; what they share is in it once."""
    checks = {(c.name, c.subject, c.findings, c.not_run): c for report in reports for c in report.checks}
    packages = dict.fromkeys(package for report in reports for package in report.packages)
    seconds = sum(report.seconds for report in reports)
    return replace(reports[0], checks=tuple(checks.values()), packages=tuple(packages), seconds=seconds)


def _component(package: _Package, catalog: Catalog) -> str:
    spec = catalog.packages.get(package.name)
    return spec.component if spec else ""


def _fitting(packages: Iterable[_Package], kubernetes: Version, catalog: Catalog) -> list[_Package]:
    """Return the package of each name, format and architecture that belongs to a version of Kubernetes."""
    groups: dict[tuple[Format, str, str], list[_Package]] = {}
    for package in packages:
        groups.setdefault((package.format, package.name, package.arch), []).append(package)
    return [_best(group, kubernetes, catalog) for group in groups.values()]


def _best(group: Sequence[_Package], kubernetes: Version, catalog: Catalog) -> _Package:
    """Return the newest that the catalog pairs with Kubernetes, else the newest of all."""
    component = catalog.components.get(_component(group[0], catalog))
    pairs = component.pairs if component else ()
    paired = next((pair.version for pair in pairs if pair.kubernetes.contains(kubernetes)), "")
    if paired == MINOR:
        fitting = [p for p in group if p.version.release <= Version(kubernetes.major, kubernetes.minor, 1_000_000)]
    else:
        fitting = [package for package in group if str(package.version.release) == paired]
    return max(fitting or group, key=lambda package: version_key(package.format, package.text))
