"""Which part of a repository is examined: a copy may have only some of its architectures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from kubeparcel.packages.architectures import common_name

_INDEX_ARCH = re.compile(r"(?:^|/)(?:binary|Contents)-(?:udeb-)?([^/.]+)")


@dataclass(frozen=True)
class Selection:
    """Architectures, by upstream's names, and components of apt suites; none means all."""

    arches: frozenset[str] = frozenset()
    components: frozenset[str] = frozenset()

    @classmethod
    def of(cls, arches: Iterable[str], components: Iterable[str]) -> Selection:
        """Return a selection; architectures by the names of dpkg, rpm or upstream."""
        return cls(frozenset(map(common_name, arches)), frozenset(components))

    def __bool__(self) -> bool:
        return bool(self.arches or self.components)

    def __str__(self) -> str:
        return ", ".join((*sorted(self.components), *sorted(self.arches)))

    def has_arch(self, arch: str) -> bool:
        """Return whether packages of an architecture are examined; those for all always are."""
        return not self.arches or common_name(arch) in {*self.arches, "all"}

    def has_component(self, component: str) -> bool:
        """Return whether a component is examined; `updates/main` is also called `main`."""
        return not self.components or not self.components.isdisjoint({component, component.rpartition("/")[2]})

    def has_index(self, index: str) -> bool:
        """Return whether an index is examined, by its name in a Release."""
        arch = _INDEX_ARCH.search(index)
        return (not arch or self.has_arch(arch[1])) and (
            "/" not in index or not self.components or index.startswith(tuple(f"{c}/" for c in self.components))
        )
