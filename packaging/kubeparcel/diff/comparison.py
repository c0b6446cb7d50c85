"""Compares two sets of packages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubeparcel.diff.files import compare_files
from kubeparcel.diff.metadata import compare_metadata, compare_relations, compare_scripts
from kubeparcel.diff.model import Change, Comparison, ContentsPair, Name, Pair, Side
from kubeparcel.diff.pairs import pair_packages
from kubeparcel.diff.units import compare_units
from kubeparcel.doctor.package_sets import PackageSet


def compare_sets(old: PackageSet, new: PackageSet) -> Comparison:
    """Return the differences between two sets. Only packages with different digests are read, and those with units."""
    pairs, only_old, only_new = pair_packages(old.packages, new.packages)
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
