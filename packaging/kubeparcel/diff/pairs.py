"""Pairs the packages of two sets by name, architecture and format; a deb without a counterpart, with an rpm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubeparcel.diff.model import Pair
from kubeparcel.packages.architectures import common_name
from kubeparcel.repository.model import Package

Key = Callable[[Package], tuple[str, ...]]

_KEYS: Sequence[Key] = (
    lambda package: (package.name, package.format, common_name(package.arch)),
    lambda package: (package.name, common_name(package.arch)),
)


def pair_packages(old: Sequence[Package], new: Sequence[Package]) -> tuple[list[Pair], list[Package], list[Package]]:
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
