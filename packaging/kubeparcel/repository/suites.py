"""Compute the suites after a change, without reading or writing anything."""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from kubeparcel.config.kubernetes_packages import kubernetes_packages, upstream_version
from kubeparcel.errors import UnknownVersion, UsageError
from kubeparcel.model import Version
from kubeparcel.repository.model import Suites, minor_of_suite, validate_suite_name
from kubeparcel.repository.package import Package

STABLE = "stable"
"""The suite with all minor versions, for clients that do not pin one."""

PRERELEASE = "prerelease"
"""The suite of alpha, beta and rc versions."""

SELECTOR_SYNTAX = "NAME, NAME=VERSION or =VERSION; * is a wildcard"

_MINOR_VERSION = re.compile(r"(?:\d+:)?(\d+\.\d+)")


def add(
    before: Suites, packages: Iterable[Package], suite: str = "", home_suites_of_rest: frozenset[str] = frozenset()
) -> Suites:
    """Return the suites with packages added to `suite`, or each to its home suites.

    `home_suites_of_rest` are the home suites of core packages in the same folder that are not
    passed because they are already published.
    """
    new = frozenset(packages)
    additions = {validate_suite_name(suite): new} if suite else distribute(new, before, home_suites_of_rest)
    return {**before, **{name: before.get(name, frozenset()) | added for name, added in additions.items()}}


def distribute(
    packages: frozenset[Package], before: Suites, home_suites_of_rest: frozenset[str] = frozenset()
) -> dict[str, frozenset[Package]]:
    """Return the packages to add to each suite.

    Core packages go to `v1.36` and `stable`, or to `prerelease`. Other packages follow the core
    packages they came with; without any, they go to `stable` and to each minor's suite.
    """
    additions: dict[str, set[Package]] = defaultdict(set)
    homes = {package: names for package, names in _homes_of_core(packages) if names}
    for package, names in homes.items():
        for name in names:
            additions[name].add(package)
    core_suites = home_suites_of_rest.union(additions)
    others = packages.difference(homes)
    targets = core_suites or {STABLE, *filter(minor_of_suite, before)}
    for name in targets:
        additions[name] |= _compatible(others, name)
    if any(map(minor_of_suite, targets)) or not core_suites:
        additions[STABLE] |= others
    return {name: frozenset(added) for name, added in additions.items() if added}


def home_suites(packages: Iterable[Package]) -> frozenset[str]:
    """Return the suites to which the Kubernetes core packages among these belong."""
    return frozenset(chain.from_iterable(names for _, names in _homes_of_core(packages)))


def _homes_of_core(packages: Iterable[Package]) -> Iterator[tuple[Package, tuple[str, ...]]]:
    core = kubernetes_packages().core
    return ((package, _homes(package.version)) for package in packages if package.name in core)


def _homes(version: str) -> tuple[str, ...]:
    upstream = _upstream(version)
    if upstream is None:
        return ()
    return (PRERELEASE,) if upstream.prerelease else (f"v{upstream.series}", STABLE)


def _compatible(packages: frozenset[Package], suite: str) -> frozenset[Package]:
    """Drop companions that follow the minor versions of Kubernetes and are newer than the suite."""
    minor = minor_of_suite(suite)
    if minor is None:
        return packages
    coupled = kubernetes_packages().version_coupled
    return packages.difference(
        package for package in packages if package.name in coupled and minor_version(package.version) > minor
    )


def minor_version(version: str) -> tuple[int, int]:
    """Return the minor version of a package version of a component; (0, 0) if it is none."""
    upstream = _upstream(version)
    return (upstream.major, upstream.minor) if upstream else (0, 0)


def select_packages(packages: Iterable[Package], selectors: Sequence[str]) -> frozenset[Package]:
    """Return the packages that match selectors such as `kubelet`, `kubelet=1.36.3-1`, `=1.36.*`.

    Raises UsageError for a selector that matches none.
    """
    candidates = frozenset(packages)
    selected: set[Package] = set()
    for selector in selectors:
        name, _, version = selector.partition("=")
        if not (name or version):
            raise UsageError(f"Empty package selector {selector!r}.", f"Use {SELECTOR_SYNTAX}.")
        matches = {
            package
            for package in candidates
            if fnmatch.fnmatchcase(package.name, name or "*") and fnmatch.fnmatchcase(package.version, version or "*")
        }
        if not matches:
            raise UsageError(f"No package in the repository matches {selector!r}.", f"Use {SELECTOR_SYNTAX}.")
        selected |= matches
    return frozenset(selected)


def remove(before: Suites, selectors: Sequence[str], suite: str = "") -> Suites:
    """Return the suites (or with `suite`, that one) without the selected packages.

    A suite without packages is dropped.
    """
    names = [require_suite(before, suite)] if suite else list(before)
    selected = select_packages(chain.from_iterable(before[name] for name in names), selectors)
    after = {name: packages - selected if name in names else packages for name, packages in before.items()}
    return {name: packages for name, packages in after.items() if packages}


def retain(before: Suites, keep: int, suite: str = "") -> Suites:
    """Return the suites with only the newest `keep` versions of each package in each minor.

    Revisions of one version count once. Companions that belong to a version of Kubernetes that is kept are kept.
    """
    if keep < 1:
        raise UsageError(f"Invalid --keep {keep}: keep at least 1 version.")
    names = {require_suite(before, suite)} if suite else set(before)
    return {name: _newest(packages, keep) if name in names else packages for name, packages in before.items()}


def _newest(packages: frozenset[Package], keep: int) -> frozenset[Package]:
    groups: dict[tuple[str, ...], dict[str, list[Package]]] = defaultdict(lambda: defaultdict(list))
    for package in packages:
        match = _MINOR_VERSION.match(package.version)
        minor = match[1] if match else ""
        groups[package.format, package.name, package.arch, minor][package.unrevised_version].append(package)
    kept = frozenset(
        package
        for group in groups.values()
        for revisions in sorted(group.values(), key=lambda revisions: max(p.version_key for p in revisions))[-keep:]
        for package in revisions
    )
    return kept | _companions(packages - kept, kept)


def _companions(removed: frozenset[Package], kept: frozenset[Package]) -> frozenset[Package]:
    """Return the companions among removed packages whose versions belong to a version of Kubernetes that is kept."""
    names = kubernetes_packages()
    candidates = [package for package in removed if package.name in names.companions]
    if not candidates:
        return frozenset()
    from kubeparcel.config import catalog as catalogs

    catalog = catalogs.load()
    releases = {upstream for package in kept if package.name in names.core if (upstream := _upstream(package.version))}
    paired = {
        (name, pair.version)
        for name in names.companions
        for pair in catalog.components[catalog.packages[name].component].pairs
        if any(pair.kubernetes.contains(release) for release in releases)
    }
    return frozenset(p for p in candidates if (p.name, str(_upstream(p.version))) in paired)


def _upstream(version: str) -> Version | None:
    try:
        return upstream_version(version)
    except UnknownVersion:
        return None


def copy(before: Suites, source: str, target: str, selectors: Sequence[str]) -> Suites:
    """Return the suites with packages of `source` added to `target`: all, or the selected ones."""
    packages = before[require_suite(before, source)]
    selected = select_packages(packages, selectors) if selectors else packages
    name = validate_suite_name(target)
    return {**before, name: before.get(name, frozenset()) | selected}


def require_suite(suites: Suites, name: str) -> str:
    """Return the name of an existing suite. Raises UsageError listing the existing ones."""
    if name not in suites:
        existing = ", ".join(sorted(suites)) or "none"
        raise UsageError(f"Unknown suite {name!r}.", f"Existing suites: {existing}.")
    return name
