"""Checks between packages: dependencies, companions, orphans, and differences of debs and rpms."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from kubeparcel.config.kubernetes_packages import kubernetes_packages, upstream_version
from kubeparcel.doctor.discovery import Discovery, yum_label
from kubeparcel.doctor.findings import UNREADABLE_INDEX, CheckKind, Subject
from kubeparcel.doctor.http_reader import HttpReader, LinkedFiles
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.errors import KubeparcelError
from kubeparcel.model import Format
from kubeparcel.packages import limits
from kubeparcel.packages.architectures import common_name
from kubeparcel.packages.errors import LimitExceeded
from kubeparcel.repository import policy
from kubeparcel.repository.package import ARCH_INDEPENDENT, Package

_PACKAGE_SUFFIXES = (".deb", ".rpm", ".part", ".tmp")
_FILES = "files"
_PARSING = 20
"""Comparisons that take as long as parsing one dependency."""

_CLOSURE_HINT = (
    "Clients cannot install it. Publish the missing package into the suite, or remove the one that needs it."
)
_ORPHAN_HINT = "Clients never see it. Publish the package, or delete the file."
_FORMATS_HINT = "Nodes of different distributions get different versions. Publish both formats."


def check_closure(subject: Subject) -> None:
    """Check that dependencies among the packages of a suite are met in it."""
    packages = subject.packages
    try:
        affected = dependent_packages(packages)
    except LimitExceeded as error:
        subject.mark_not_run(str(error), CheckKind.CLOSURE)
        return
    subject.mark_run(CheckKind.CLOSURE)
    for problem in policy.unmet_dependencies(packages, affected):
        subject.add_finding(CheckKind.CLOSURE, "dependencies met in the suite", problem, hint=_CLOSURE_HINT)


def dependent_packages(packages: frozenset[Package]) -> list[Package]:
    """Return those that name a package of Kubernetes in their dependencies. Raises LimitExceeded."""
    names = kubernetes_packages().names
    mention = re.compile("|".join(map(re.escape, names)))
    affected = [package for package in packages if mention.search(package.dependencies)]
    distinct = {(package.format, package.arch, package.dependencies) for package in affected}
    versions = Counter(package.name for package in packages if package.name in names)
    most = _PARSING + max(versions.values(), default=0)
    comparisons = most * sum(_relations(text) for _, _, text in distinct)
    limits.COMPARISONS.check(comparisons + sum(_relations(package.dependencies) for package in affected), "the suite")
    return affected


def _relations(dependencies: str) -> int:
    return dependencies.count(",") + dependencies.count("|") + 1


def check_companions(subject: Subject) -> None:
    """Check that each minor with node packages has its cri-tools and a kubernetes-cni."""
    catalog = kubernetes_packages()
    node_minors = set(_minors(subject.packages, catalog.node_packages))
    if not node_minors:
        return
    subject.mark_run(CheckKind.COMPANIONS)
    available = {(p.format, p.arch, p.name) for p in subject.packages}
    coupled = set(_minors(subject.packages, catalog.version_coupled))
    for format_, arch, _, minor in sorted(node_minors, key=str):
        arches = {arch, ARCH_INDEPENDENT[format_]}
        for name in sorted(catalog.companions):
            exists = any((format_, a, name) in available for a in arches)
            matches = any((format_, a, name, minor) in coupled for a in arches)
            needs_minor = name in catalog.version_coupled
            if exists and (matches or not needs_minor):
                continue
            label = f"{name} {minor}" if needs_minor else name
            subject.add_finding(
                CheckKind.COMPANIONS,
                f"{label} for {arch} ({format_}), for the nodes of Kubernetes {minor}",
                f"no {name} of minor {minor}" if exists else f"no {name}",
                hint=f"Nodes cannot be set up with this suite alone. Publish {name} into it.",
            )


def _minors(packages: Iterable[Package], names: Iterable[str]) -> Iterator[tuple[Format, str, str, str]]:
    """Yield format, architecture, name and minor of final releases; node packages are `node`."""
    selected = frozenset(names)
    node_packages = kubernetes_packages().node_packages
    for package in packages:
        if package.name not in selected:
            continue
        try:
            version = upstream_version(package.version)
        except KubeparcelError:
            continue
        if not version.prerelease:
            name = "node" if package.name in node_packages else package.name
            yield package.format, package.arch, name, f"{version.major}.{version.minor}"


def check_orphans(
    reader: RepositoryReader, discovery: Discovery, apt_subjects: Sequence[Subject], yum_subjects: Sequence[Subject]
) -> Subject:
    """Check that every package file is listed in an index, or retained for clients that lag."""
    subjects = (*apt_subjects, *yum_subjects)
    if not all(subject.complete for subject in subjects):
        return orphans_not_run(UNREADABLE_INDEX)
    known = set().union(*(subject.file_paths for subject in subjects))
    known |= set(discovery.state.retired_packages) if discovery.state else set()
    folders = _outermost({*(suite.base for suite in discovery.suites), *discovery.yum_folders})
    listings = [listed for listed in (_list_files(reader, folder, known) for folder in folders) if listed is not None]
    if not listings:
        return orphans_not_run("the server does not list folders")
    files = Subject(_FILES)
    files.mark_run(CheckKind.ORPHANS)
    if not all(listed.complete for listed in listings):
        files.add_remark("the server lists too many folders; those without listed packages were not all searched")
    for path in sorted(set().union(*(listed.paths for listed in listings)) - known):
        if path.endswith(_PACKAGE_SUFFIXES):
            files.add_finding(CheckKind.ORPHANS, "listed in an index", "not listed", path, _ORPHAN_HINT)
    return files


def _list_files(reader: RepositoryReader, folder: str, known: Iterable[str]) -> LinkedFiles | None:
    if isinstance(reader, HttpReader):
        return reader.linked_files(folder, known)
    sizes = reader.file_sizes(folder)
    return None if sizes is None else LinkedFiles(list(sizes), complete=True)


def orphans_not_run(reason: str) -> Subject:
    """Return the subject of the check for unlisted files if it cannot run."""
    files = Subject(_FILES)
    files.mark_not_run(reason, CheckKind.ORPHANS)
    return files


def _outermost(folders: set[str]) -> list[str]:
    """Return the folders that are not inside another one."""
    return [f for f in sorted(folders) if not any(f != o and (not o or f.startswith(f"{o}/")) for o in folders)]


def check_formats(
    discovery: Discovery, apt_subjects: Sequence[Subject], yum_subjects: Sequence[Subject]
) -> Iterator[Subject]:
    """Check that suites of one name (or the only two) have the same versions as deb and rpm."""
    subject = Subject("debs and rpms")
    pairs = list(_pairs(discovery, apt_subjects, yum_subjects))
    comparable = all(apt.complete and yum.complete for apt, yum in pairs)
    for apt, yum in pairs:
        debs, rpms = _versions(apt.packages), _versions(yum.packages)
        if not (apt.complete and yum.complete and debs and rpms):
            continue
        if comparable:
            subject.mark_run(CheckKind.FORMATS)
        for name, arch in sorted({*debs, *rpms}):
            for format_, own, other in ((Format.DEB, debs, rpms), (Format.RPM, rpms, debs)):
                for version in sorted(own[name, arch] - other[name, arch]):
                    subject.add_finding(
                        CheckKind.FORMATS,
                        "the same versions as deb and rpm",
                        f"{name} {version} {arch} exists only as {format_}",
                        f"{apt.name}, {yum.name}",
                        _FORMATS_HINT,
                    )
    if not comparable:
        subject.mark_not_run(UNREADABLE_INDEX, CheckKind.FORMATS)
    if subject.checks:
        yield subject


def _pairs(
    discovery: Discovery, apt_subjects: Sequence[Subject], yum_subjects: Sequence[Subject]
) -> Iterator[tuple[Subject, Subject]]:
    if len(apt_subjects) == len(yum_subjects) == 1:
        yield apt_subjects[0], yum_subjects[0]
        return
    labels = map(yum_label, discovery.yum_folders)
    yum_by_label = dict(zip(labels, yum_subjects, strict=True))
    for suite, apt in zip(discovery.suites, apt_subjects, strict=True):
        if suite.label in yum_by_label:
            yield apt, yum_by_label[suite.label]


def _versions(packages: Iterable[Package]) -> dict[tuple[str, str], set[str]]:
    """Return upstream versions of Kubernetes' packages, by name and Debian's architecture."""
    names = kubernetes_packages().names
    versions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for package in packages:
        if package.name in names:
            without_epoch = package.version.rpartition(":")[2]
            upstream = without_epoch.rpartition("-")[0] or package.version
            versions[package.name, common_name(package.arch)].add(upstream)
    return versions
