"""What the tasks mean for the suites: values to values, nothing is read or written."""

from __future__ import annotations

import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from kubeparcel.config.kubernetes_packages import (
    KubernetesPackages,
    kubernetes_packages,
    upstream_version,
)
from kubeparcel.errors import UnknownVersion, UsageError
from kubeparcel.packages.relations import key_of
from kubeparcel.repository.model import Package, Suites, validate_suite_name

STABLE = "stable"
"""The suite that spans all minors, so that a client's URL need not change."""

PRERELEASE = "prerelease"
"""The suite of what is not released yet."""

_MINOR = re.compile(r"(?:\d+:)?(\d+\.\d+)")
_OF_MINOR = re.compile(r"v(\d+)\.(\d+)")


def add(
    before: Suites,
    packages: Iterable[Package],
    suite: str = "",
    home_suites_of_rest: frozenset[str] = frozenset(),
) -> Suites:
    """The suites with packages added: to `suite`, or where each belongs.

    `others` are the homes of packages that came with them and are there already.
    """
    new = frozenset(packages)
    parts = (
        {validate_suite_name(suite): new} if suite else distribute(new, before, home_suites_of_rest)
    )
    return {
        **before,
        **{name: before.get(name, frozenset()) | part for name, part in parts.items()},
    }


def distribute(
    new: frozenset[Package], before: Suites, others: frozenset[str] = frozenset()
) -> dict[str, frozenset[Package]]:
    """Where packages belong: `v1.36` and `stable`, or `prerelease`; companions go with them."""
    parts: dict[str, set[Package]] = defaultdict(set)
    own = {package: names for package, names in _leading(new) if names}
    for package, names in own.items():
        for name in names:
            parts[name].add(package)
    leading = others.union(parts)
    rest = new.difference(own)
    targets = leading or {STABLE, *(name for name in before if _OF_MINOR.fullmatch(name))}
    for name in targets:
        parts[name] |= _fitting(rest, name, kubernetes_packages())
    if any(_OF_MINOR.fullmatch(name) for name in targets) or not leading:
        parts[STABLE] |= rest
    return {name: frozenset(part) for name, part in parts.items() if part}


def home_suites(packages: Iterable[Package]) -> frozenset[str]:
    """The suites that packages of Kubernetes itself belong to, and their companions with them."""
    return frozenset(chain.from_iterable(names for _, names in _leading(packages)))


def _leading(packages: Iterable[Package]) -> Iterator[tuple[Package, tuple[str, ...]]]:
    leaders = kubernetes_packages().core
    return ((p, _homes(p.version)) for p in packages if p.name in leaders)


def _homes(version: str) -> tuple[str, ...]:
    try:
        found = upstream_version(version)
    except UnknownVersion:
        return ()
    return (PRERELEASE,) if found.prerelease else (f"v{found.series}", STABLE)


def _fitting(
    packages: frozenset[Package], suite: str, kin: KubernetesPackages
) -> frozenset[Package]:
    """Without companions that follow Kubernetes' minors and are of a newer one than the suite."""
    minor = _OF_MINOR.fullmatch(suite)
    if not minor:
        return packages
    newest = (int(minor[1]), int(minor[2]))
    return packages.difference(
        p for p in packages if p.name in kin.version_coupled and _minor(p.version) > newest
    )


def _minor(version: str) -> tuple[int, int]:
    """The minor of a version, the oldest when it has none."""
    try:
        found = upstream_version(version)
    except UnknownVersion:
        return (0, 0)
    return (found.major, found.minor)


def select_packages(packages: Iterable[Package], words: Sequence[str]) -> frozenset[Package]:
    """The packages meant by words like `kubelet`, `kubelet=1.36.3-1`, `=1.36.*`.

    Raises UsageError for a word that means none.
    """
    found: set[Package] = set()
    for word in words:
        name, _, version = word.partition("=")
        hits = {
            p
            for p in packages
            if fnmatch.fnmatchcase(p.name, name or "*")
            and fnmatch.fnmatchcase(p.version, version or "*")
        }
        if not hits:
            raise UsageError(
                f"{word}: there is no such package.",
                "Write NAME, NAME=VERSION or =VERSION; * fits.",
            )
        found |= hits
    return frozenset(found)


def remove(before: Suites, words: Sequence[str], suite: str = "") -> Suites:
    """The suites (or the one named) without the packages meant; empty suites are gone."""
    names = [require_suite(before, suite)] if suite else list(before)
    gone = select_packages(chain.from_iterable(before[name] for name in names), words)
    return _without({n: before[n] - gone if n in names else before[n] for n in before})


def retain(before: Suites, keep: int, suite: str = "") -> Suites:
    """The suites with only the newest `keep` versions of each package in each minor."""
    if keep < 1:
        raise UsageError(f"--keep {keep}: at least one version has to stay.")
    names = {require_suite(before, suite)} if suite else set(before)
    return {n: _newest(before[n], keep) if n in names else before[n] for n in before}


def _newest(packages: frozenset[Package], keep: int) -> frozenset[Package]:
    groups: dict[tuple[str, ...], list[Package]] = defaultdict(list)
    for package in packages:
        minor = _MINOR.match(package.version)
        groups[package.format, package.name, package.arch, minor[1] if minor else ""].append(
            package
        )
    found: list[Package] = []
    for group in groups.values():
        found += sorted(group, key=lambda p: key_of(p.format, p.version))[-keep:]
    return frozenset(found)


def copy(before: Suites, source: str, target: str, words: Sequence[str]) -> Suites:
    """The suites with packages of one added to another: all, or those meant by words."""
    held = before[require_suite(before, source)]
    meant = select_packages(held, words) if words else held
    name = validate_suite_name(target)
    return {**before, name: before.get(name, frozenset()) | meant}


def require_suite(suites: Suites, name: str) -> str:
    """The name of a suite that is there; raises UsageError naming those that are."""
    if name not in suites:
        there = ", ".join(sorted(suites)) or "none yet"
        raise UsageError(f"There is no suite {name!r}.", f"There are: {there}.")
    return name


def _without(suites: Suites) -> Suites:
    return {name: packages for name, packages in suites.items() if packages}
