"""What only shows between packages: closure, companions, orphans, debs and rpms that differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from kubeparcel.config.kubernetes_packages import kubernetes_packages, upstream_version
from kubeparcel.doctor.discovery import Discovery, yum_label
from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.errors import KubeparcelError
from kubeparcel.model import Format
from kubeparcel.repository import policy
from kubeparcel.repository.model import Package

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64el", "noarch": "all"}
_PACKAGES = (".deb", ".rpm", ".part", ".tmp")


def closure(examined: Subject) -> None:
    """Note what packages in a suite need of each other and do not find."""
    examined.mark_run(CheckKind.CLOSURE)
    ours = kubernetes_packages().names | {p.name for p in examined.packages}
    for text in policy.unmet_dependencies(examined.packages, examined.packages, ours):
        todo = "Publish what is missing into the suite, or remove what needs it."
        examined.add_finding(CheckKind.CLOSURE, "everything packages need", text, hint=todo)


def companions(examined: Subject) -> None:
    """Note minors that have a kubelet, and not the cri-tools and kubernetes-cni nodes need."""
    kin = kubernetes_packages()
    minors = set(_minors(examined.packages, kin.node_packages))
    if not minors:
        return
    examined.mark_run(CheckKind.COMPANIONS)
    there = {(p.format, p.arch, p.name) for p in examined.packages}
    paired = set(_minors(examined.packages, kin.version_coupled))
    for form, arch, _, minor in sorted(minors, key=str):
        fits = {arch, policy.ARCH_INDEPENDENT[form]}
        for name in sorted(kin.companions):
            any_ = any((form, one, name) in there for one in fits)
            same = any((form, one, name, minor) in paired for one in fits)
            if not any_ or (name in kin.version_coupled and not same):
                wanted = f"{name} {minor}" if name in kin.version_coupled else name
                examined.add_finding(
                    *(
                        CheckKind.COMPANIONS,
                        f"{wanted} for {arch} ({form}) beside Kubernetes {minor}",
                    ),
                    f"there is none of {minor}" if any_ else "there is none",
                    hint=f"Publish {name} into the suite.",
                )


def _minors(
    packages: Iterable[Package], names: Iterable[str]
) -> Iterator[tuple[Format, str, str, str]]:
    """Format, architecture, name and minor of final releases; nodes have one name together."""
    wanted = frozenset(names)
    nodes = kubernetes_packages().node_packages
    for p in packages:
        if p.name not in wanted:
            continue
        try:
            version = upstream_version(p.version)
        except KubeparcelError:
            continue
        if not version.prerelease:
            name = "node" if p.name in nodes else p.name
            yield p.format, p.arch, name, f"{version.major}.{version.minor}"


def orphans(
    source: RepositoryReader, found: Discovery, apts: Sequence[Subject], yums: Sequence[Subject]
) -> Iterator[Subject]:
    """Package files that no index names; those we keep for clients that are behind are none."""
    both = (*apts, *yums)
    if not all(one.complete for one in both):
        return
    named = set().union(*(one.file_paths for one in both))
    named |= set(found.state.retired_packages) if found.state else set()
    folders = _tops({*(suite.base for suite in found.suites), *found.yum_folders})
    listed = [paths for paths in map(source.file_sizes, folders) if paths is not None]
    if not listed:
        return
    files = Subject("files")
    files.mark_run(CheckKind.ORPHANS)
    for path in sorted(set().union(*listed) - named):
        if path.endswith(_PACKAGES):
            wanted, todo = "only files that an index names", "Take it away, or publish it."
            files.add_finding(CheckKind.ORPHANS, wanted, "no index names it", path, todo)
    yield files


def _tops(folders: set[str]) -> list[str]:
    """The folders that are not inside another one."""
    return [
        folder
        for folder in sorted(folders)
        if not any(other != folder and _within(folder, other) for other in folders)
    ]


def _within(folder: str, other: str) -> bool:
    return not other or folder.startswith(f"{other}/")


def formats(
    found: Discovery, apts: Sequence[Subject], yums: Sequence[Subject]
) -> Iterator[Subject]:
    """Suites of one name (or the only two there are) that differ between debs and rpms."""
    both = Subject("debs and rpms")
    for apt, yum in _pairs(found, apts, yums):
        debs, rpms = _versions(apt.packages), _versions(yum.packages)
        if not (apt.complete and yum.complete and debs and rpms):
            continue
        both.mark_run(CheckKind.FORMATS)
        for name, arch in sorted({*debs, *rpms}):
            for form, mine, other in (("deb", debs, rpms), ("rpm", rpms, debs)):
                for version in sorted(mine[name, arch] - other[name, arch]):
                    said = f"{name} {version} {arch} is there only as {form}"
                    where = f"{apt.name}, {yum.name}"
                    both.add_finding(
                        CheckKind.FORMATS, "the same versions as deb and rpm", said, where
                    )
    if both.checks_run:
        yield both


def _pairs(
    found: Discovery, apts: Sequence[Subject], yums: Sequence[Subject]
) -> Iterator[tuple[Subject, Subject]]:
    by_label = {yum_label(base): one for base, one in zip(found.yum_folders, yums, strict=True)}
    if len(apts) == len(yums) == 1:
        yield apts[0], yums[0]
        return
    for suite, apt in zip(found.suites, apts, strict=True):
        if suite.label in by_label:
            yield apt, by_label[suite.label]


def _versions(packages: Iterable[Package]) -> dict[tuple[str, str], set[str]]:
    """Upstream's versions of our packages, by name and architecture as Debian writes it."""
    ours = kubernetes_packages().names
    rows: dict[tuple[str, str], set[str]] = defaultdict(set)
    for p in packages:
        if p.name in ours:
            plain = p.version.rpartition(":")[2].rpartition("-")[0] or p.version
            rows[p.name, _MACHINES.get(p.arch, p.arch)].add(plain)
    return rows
