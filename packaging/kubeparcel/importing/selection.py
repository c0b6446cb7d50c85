"""Selects the packages to import: the requested ones, and those of the source that they depend on."""

from __future__ import annotations

import difflib
import fnmatch
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from kubeparcel.config.kubernetes_packages import kubernetes_packages
from kubeparcel.errors import UsageError
from kubeparcel.model import Format
from kubeparcel.packages.relations import Relation, parse_relations, satisfies
from kubeparcel.repository.package import Package
from kubeparcel.repository.suites import SELECTOR_SYNTAX, minor_version

_SHOWN = 3


@dataclass(frozen=True)
class Selected:
    """The requested packages, the `companions` that they need, and needed packages that the source lacks."""

    requested: frozenset[Package]
    companions: frozenset[Package]
    missing: tuple[str, ...]

    @property
    def packages(self) -> frozenset[Package]:
        """Return all packages to import."""
        return self.requested | self.companions


def select(packages: Collection[Package], only: Sequence[str], location: str) -> Selected:
    """Return the packages that match `only`, or all, and those that they need.

    Raises UsageError for a pattern that matches none, or if there are no packages.
    """
    if not packages:
        raise UsageError(f"{location} has no packages.", "Check --suite and --arch.")
    if not only:
        return Selected(frozenset(packages), frozenset(), ())
    requested = frozenset(chain.from_iterable(_matches(packages, selector, location) for selector in only))
    by_name: dict[tuple[Format, str], list[Package]] = defaultdict(list)
    for package in packages:
        by_name[package.format, package.name].append(package)
    selected, missing = set(requested), dict[str, None]()
    pending = sorted(requested)
    while pending:
        package = pending.pop()
        for group in _needs(package):
            choices = [c for r in group for c in _choices(package, r, by_name)]
            if requested.intersection(choices):
                continue
            best = max(choices, key=lambda choice: _preference(choice, package), default=None)
            if best is None:
                missing |= _missing(package, group)
            elif best not in selected:
                selected.add(best)
                pending.append(best)
    return Selected(requested, frozenset(selected - requested), tuple(sorted(missing)))


def _needs(package: Package) -> Iterator[Sequence[Relation]]:
    """Yield the alternatives of each dependency, and the companions of a package for nodes."""
    yield from parse_relations(package.dependencies)
    catalog = kubernetes_packages()
    if package.name in catalog.node_packages:
        for name in sorted(catalog.companions):
            yield (Relation(name),)


def _choices(
    package: Package, relation: Relation, by_name: Mapping[tuple[Format, str], Sequence[Package]]
) -> Iterator[Package]:
    """Yield the packages that satisfy a relation; of those that follow Kubernetes' minors, none that are newer."""
    newest_minor = minor_version(package.version) if package.name in kubernetes_packages().core else None
    is_coupled = relation.name in kubernetes_packages().version_coupled | kubernetes_packages().core
    for other in by_name.get((package.format, relation.name), ()):
        too_new = newest_minor and is_coupled and minor_version(other.version) > newest_minor
        if other.fits(package.arch) and not too_new and satisfies(package.format, other.version, relation):
            yield other


def _preference(choice: Package, package: Package) -> tuple[object, ...]:
    """Return the sort key of a choice: the same version, else the newest."""
    return choice.version == package.version, choice.version_key, choice.sha256


def _missing(package: Package, group: Sequence[Relation]) -> dict[str, None]:
    """Return a line about a package of Kubernetes that is missing; others come from the distribution."""
    if not all(relation.name in kubernetes_packages().names for relation in group):
        return {}
    return {f"{' or '.join(map(str, group))}, which {package.label} needs": None}


def _matches(packages: Iterable[Package], selector: str, location: str) -> Iterable[Package]:
    """Return the packages that a pattern matches. Raises UsageError that names the nearest if there are none."""
    name, _, version = selector.partition("=")
    if not (name or version):
        raise UsageError(f"Empty pattern {selector!r} in --only.", f"Use {SELECTOR_SYNTAX}.")
    named = [package for package in packages if fnmatch.fnmatchcase(package.name, name or "*")]
    if matches := [package for package in named if fnmatch.fnmatchcase(package.version, version or "*")]:
        return matches
    hint = _nearest_versions(named, version) if named else _nearest_names(packages, name)
    raise UsageError(f"No package in {location} matches --only {selector!r}.", hint)


def _nearest_names(packages: Iterable[Package], name: str) -> str:
    names = sorted({package.name for package in packages})
    nearest = difflib.get_close_matches(name.strip("*"), names, _SHOWN) or names[:_SHOWN]
    return f"Nearest names: {', '.join(nearest)}."


def _nearest_versions(named: Iterable[Package], version: str) -> str:
    labels = {f"{package.name}={package.version}": package.version for package in named}
    versions = difflib.get_close_matches(version.strip("*"), sorted(set(labels.values())), _SHOWN, cutoff=0)
    nearest = [label for other in versions for label in labels if labels[label] == other]
    return f"Nearest versions: {', '.join(nearest[:_SHOWN])}."
