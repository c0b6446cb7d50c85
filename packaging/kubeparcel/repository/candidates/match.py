"""Match the packages in a folder with those already published, and check the new ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from kubeparcel.config.kubernetes_packages import kubernetes_packages
from kubeparcel.console import Log, first_names
from kubeparcel.model import Format
from kubeparcel.repository import policy, suites
from kubeparcel.repository.candidates.read import PackageFiles, read_packages
from kubeparcel.repository.candidates.scan import ScannedFolder, new_files
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.model import State
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import LastPublish, PackageCache


class LocalFile(NamedTuple):
    """A package file of the user, and its SHA-256: an RPM may be published with another signature."""

    stamp: FileStamp
    sha256: str

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.stamp.path


@dataclass(frozen=True)
class Candidates:
    """The packages to publish, and the files of the new ones.

    `signed` are the new RPMs with a signature, which has not been verified. `files` are the user's files of all
    packages.
    """

    packages: frozenset[Package]
    sources: Mapping[Package, FileStamp]
    signed: frozenset[Package]
    files: Mapping[Package, LocalFile] = field(default_factory=dict)

    def without(self, dropped: Set[Package]) -> Candidates:
        """Return the candidates without some new packages."""
        return Candidates(
            self.packages - dropped,
            {package: file for package, file in self.sources.items() if package not in dropped},
            self.signed - dropped,
            {package: file for package, file in self.files.items() if package not in dropped},
        )


def match_files(
    scanned: ScannedFolder, last: LastPublish | None, state: State, cache: PackageCache
) -> tuple[Candidates, frozenset[str]]:
    """Return the packages of a folder and the home suites of their Kubernetes core packages.

    If the repository did not change since the `last` publish of the same folder, only its new
    files are read, unless they change the home suites.
    """
    new = new_files(scanned, last) if last else None
    if last and new is not None:
        candidates = match_packages(new, state, cache)
        if suites.home_suites(candidates.packages) <= last.home_suites:
            return candidates, last.home_suites
    candidates = match_packages(scanned.packages, state, cache)
    return candidates, suites.home_suites(candidates.packages)


def match_packages(files: Sequence[FileStamp], state: State, cache: PackageCache) -> Candidates:
    """Return the packages in `files` as `match_metadata` does; also raises BrokenPackage."""
    stored = {package.sha256 for package in state.stored_packages}
    return match_metadata(read_packages(files, cache, stored), state)


def match_metadata(package_files: PackageFiles, state: State) -> Candidates:
    """Return the packages that were read; for content already published, the published package.

    Raises PolicyViolation for two different files of one package.
    """
    stored = {package.sha256: package for package in state.stored_packages}
    files = package_files.files
    published = {stored[sha256]: LocalFile(files[sha256], sha256) for sha256 in files.keys() & stored.keys()}
    if not package_files.packages:
        return Candidates(frozenset(published), {}, frozenset(), published)
    policy.reject_duplicates(package_files.packages)
    packages = _prefer_signed(package_files.packages)
    names = {package.name for package in packages}
    same_content = {
        (*package.identity, package.content_digest): package for package in stored.values() if package.name in names
    }
    sources = {}
    for package in packages:
        if other := same_content.get((*package.identity, package.content_digest)):
            published.setdefault(other, LocalFile(files[package.sha256], package.sha256))
        else:
            sources[package] = files[package.sha256]
    signed = frozenset(package for package in sources if package_files.packages[package])
    local = published | {package: LocalFile(file, package.sha256) for package, file in sources.items()}
    return Candidates(frozenset(local), sources, signed, local)


def drop_superseded(candidates: Candidates, state: State, log: Log) -> Candidates:
    """Return the candidates without new packages of which the folder or the repository has a higher revision."""
    names = {package.name for package in candidates.sources}
    newest: dict[tuple[str, ...], Package] = {}
    revised = False
    for package in chain(candidates.packages, (package for package in state.packages if package.name in names)):
        other = newest.setdefault(_without_revision(package), package)
        if other.version != package.version:
            revised = True
            if package.version_key > other.version_key:
                newest[_without_revision(package)] = package
    if not revised:
        return candidates
    superseded = {p for p in candidates.sources if newest[_without_revision(p)].version != p.version}
    if superseded:
        versions = sorted({f"{package.name} {package.version}" for package in superseded})
        log.info("Skip", f"superseded by a newer revision: {first_names(versions)} (--all-revisions)")
    return candidates.without(superseded)


def _without_revision(package: Package) -> tuple[str, ...]:
    return (package.format, package.name, package.arch, package.unrevised_version)


def _prefer_signed(packages: Mapping[Package, bool]) -> Collection[Package]:
    """Return the packages without each unsigned RPM that is also there signed."""
    if not any(package.format is Format.RPM for package in packages):
        return packages
    distinct: dict[tuple[str, ...], Package] = {}
    for package, signed in packages.items():
        content = (*package.identity, package.content_digest)
        if content not in distinct or signed:
            distinct[content] = package
    return distinct.values()


def check_layout(candidates: Candidates, cache: PackageCache, log: Log) -> None:
    """Run the layout check on new packages of the catalog. Raises PolicyViolation."""
    names = kubernetes_packages().names
    paths = {package.sha256: file.path for package, file in candidates.sources.items() if package.name in names}
    unchecked = paths.keys() - cache.layout_checked(paths)
    if not unchecked:
        return
    from kubeparcel.reports.output import as_text
    from kubeparcel.verify.layout import level

    report = level.check_paths(sorted(Path(paths[sha256]) for sha256 in unchecked))
    if not report.passed:
        raise policy.PolicyViolation(
            f"Packages failed the layout check ({report.summary}); nothing was published.", as_text([report])
        )
    log.info("Check", report.summary)
    cache.store_layout_checked(unchecked)
