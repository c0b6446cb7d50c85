"""What must not be published: changed content, duplicates, and unmet dependencies."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain
from typing import NamedTuple

from kubeparcel.config.kubernetes_packages import kubernetes_packages
from kubeparcel.errors import CheckFailed
from kubeparcel.model import Format
from kubeparcel.packages.relations import Relation, parse_relations, satisfies
from kubeparcel.repository.model import State, SuiteChange, Suites
from kubeparcel.repository.package import Package

_SHOWN = 20


class PolicyViolation(CheckFailed):
    """Publishing would break the repository for clients; nothing was changed."""

    @classmethod
    def listing(cls, message: str, problems: Sequence[str], *hints: str) -> PolicyViolation:
        """Return the error with the first problems, then what to do about them."""
        more = [f"and {len(problems) - _SHOWN:,} more"] if len(problems) > _SHOWN else []
        return cls(message, "\n".join((*problems[:_SHOWN], *more, *hints)))


class ContentChange(NamedTuple):
    """A new build of a published package, and how they differ if that is known."""

    package: Package
    published: Package
    differences: str = ""

    def __str__(self) -> str:
        differences = f"; differs in {self.differences}" if self.differences else ""
        return (
            f"{self.package.label} is already published with different content "
            f"(published sha256 {self.published.sha256[:12]}…, new {self.package.sha256[:12]}…{differences})."
        )


def changed_content(new: Iterable[Package], state: State) -> Iterator[ContentChange]:
    """Yield each package that is already published with other content."""
    packages = tuple(new)
    names = {package.name for package in packages}
    stored = {p.identity: p for p in state.stored_packages if p.name in names}
    for package in sorted(packages):
        published = stored.get(package.identity)
        if published and published.content_digest != package.content_digest:
            yield ContentChange(package, published)


def reject_changed_content(changes: Sequence[ContentChange]) -> None:
    """Raise PolicyViolation that names every change, if there are any."""
    if changes:
        hint = "Clients would reject one of the two. Build it again with a higher --revision."
        raise PolicyViolation("\n".join(map(str, changes)), hint)


def reject_duplicates(packages: Iterable[Package]) -> None:
    """Raise PolicyViolation for two different files of one package and version."""
    by_identity: dict[tuple[str, ...], Package] = {}
    for package in packages:
        other = by_identity.setdefault(package.identity, package)
        if other.content_digest != package.content_digest:
            raise PolicyViolation(
                f"Two different files of {package.label}: sha256 {other.sha256[:12]}… and {package.sha256[:12]}….",
                "Remove one of them from the folder.",
            )


def require_resolvable(after: Suites, changes: Sequence[SuiteChange]) -> None:
    """Raise PolicyViolation if packages in a changed suite could not be installed."""
    problems = []
    for change in changes:
        packages = after.get(change.suite, frozenset())
        affected = packages if change.removed else frozenset(change.added)
        problems += [f"{change.suite}: {problem}" for problem in unmet_requirements(packages, affected)]
    if problems:
        raise PolicyViolation.listing(
            "Dependencies would be unmet; nothing was changed.",
            problems,
            "Publish the missing packages as well, or remove those that need them.",
        )


def unmet_requirements(packages: frozenset[Package], affected: Collection[Package]) -> Iterator[str]:
    """Yield the unmet dependencies of `affected` packages and the missing companions of nodes."""
    yield from unmet_dependencies(packages, affected)
    yield from _missing_companions(packages)


def unmet_dependencies(packages: frozenset[Package], affected: Collection[Package]) -> Iterator[str]:
    """Describe the dependencies of `affected` packages that no package in the suite satisfies.

    Only dependencies on the catalog's packages count: all others may come from the distribution,
    even if a suite also has a package of that name.
    """
    expected = kubernetes_packages().names
    dependencies = {
        text: [group for group in parse_relations(text) if all(r.name in expected for r in group)]
        for text in {package.dependencies for package in affected}
    }
    relations = chain.from_iterable(chain.from_iterable(dependencies.values()))
    available = _by_name(packages, {relation.name for relation in relations})

    @functools.cache
    def is_satisfied(format_: Format, arch: str, relation: Relation) -> bool:
        others = available.get((format_, relation.name), ())
        return any(other.fits(arch) and satisfies(format_, other.version, relation) for other in others)

    for package in sorted(p for p in affected if dependencies[p.dependencies]):
        for group in dependencies[package.dependencies]:
            if not any(is_satisfied(package.format, package.arch, relation) for relation in group):
                yield f"{package.label} needs {' or '.join(map(str, group))}, which is missing"


PackagesByName = Mapping[tuple[Format, str], Sequence[Package]]


def _by_name(packages: Iterable[Package], names: Set[str]) -> PackagesByName:
    by_name: dict[tuple[Format, str], list[Package]] = defaultdict(list)
    for package in packages:
        if package.name in names:
            by_name[package.format, package.name].append(package)
    return by_name


def _missing_companions(packages: frozenset[Package]) -> Iterator[str]:
    """Describe architectures with node packages but without a companion of any version."""
    roles = kubernetes_packages()
    available = _by_name(packages, roles.companions)
    nodes: dict[tuple[Format, str], set[str]] = defaultdict(set)
    for package in packages:
        if package.name in roles.node_packages:
            nodes[package.format, package.arch].add(package.name)
    for (format_, arch), names in sorted(nodes.items()):
        for name in sorted(roles.companions):
            if not any(package.fits(arch) for package in available.get((format_, name), ())):
                required_by = " and ".join(sorted(names))
                yield f"{name} for {arch} ({format_}) is missing, required by {required_by}"
