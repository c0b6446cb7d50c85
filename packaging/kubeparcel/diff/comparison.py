"""Compares two sets of packages in pairs by name, architecture and format; a deb may be paired with an rpm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kubeparcel.diff.files import compare_files
from kubeparcel.diff.metadata import compare_metadata, compare_relations, compare_scripts
from kubeparcel.diff.model import Change, Comparison, ContentsPair, Name, Pair, Side
from kubeparcel.diff.units import compare_units
from kubeparcel.doctor.package_sets import PackageSet
from kubeparcel.packages.architectures import common_name
from kubeparcel.repository.package import Package

Key = Callable[[Package], tuple[str, ...]]

_KEYS: Sequence[Key] = (
    lambda package: (package.name, package.format, common_name(package.arch)),
    lambda package: (package.name, common_name(package.arch)),
)


def compare_sets(old: PackageSet, new: PackageSet) -> Comparison:
    """Return the differences between two sets. Only packages with different digests are read, and those with units."""
    pairs, only_old, only_new = _pair_packages(old.packages, new.packages)
    different = [pair for pair in pairs if pair.old.sha256 != pair.new.sha256]
    changes: dict[Change, dict[Name, None]] = {}
    for change, names in _changes(_read(pairs if different else [], old, new), {pair.name for pair in different}):
        changes.setdefault(change, {}).update(dict.fromkeys(names))
    return Comparison(
        Side(old.location, len(old.packages), tuple(only_old)),
        Side(new.location, len(new.packages), tuple(only_new)),
        tuple(pairs),
        len(pairs) - len(different),
        {change: tuple(sorted(names)) for change, names in changes.items()},
    )


def _read(pairs: Sequence[Pair], old: PackageSet, new: PackageSet) -> list[ContentsPair]:
    before, after = old.contents([pair.old for pair in pairs]), new.contents([pair.new for pair in pairs])
    return [ContentsPair(pair.name, a, b) for pair, a, b in zip(pairs, before, after, strict=True)]


def _changes(pairs: Sequence[ContentsPair], different: set[Name]) -> Iterator[tuple[Change, Sequence[Name]]]:
    yield from compare_units(pairs)
    for pair in pairs:
        if pair.name in different:
            for compare in (compare_scripts, compare_files, compare_relations, compare_metadata):
                for change in compare(pair):
                    yield change, (pair.name,)


def _pair_packages(old: Sequence[Package], new: Sequence[Package]) -> tuple[list[Pair], list[Package], list[Package]]:
    """Return the pairs, and the packages that only the first or only the second set has.

    Each set has one version of a package, in each format and for each architecture.
    """
    pairs: list[Pair] = []
    for key in _KEYS:
        paired = {package for pair in pairs for package in pair}
        # Two formats of one side may match one of the other: it is compared with its own format only.
        candidates = {key(package): package for package in reversed(new) if package not in paired}
        rest = [package for package in old if package not in paired]
        pairs += [Pair(package, other) for package in rest if (other := candidates.pop(key(package), None))]
    paired_old, paired_new = {pair.old for pair in pairs}, {pair.new for pair in pairs}
    return sorted(pairs), [p for p in old if p not in paired_old], [p for p in new if p not in paired_new]
