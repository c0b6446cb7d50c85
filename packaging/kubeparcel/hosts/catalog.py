"""The table of hosts: hosts.yaml as frozen values."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kubeparcel.errors import UsageError
from kubeparcel.model import Format
from kubeparcel.paths import PACKAGE


class Purpose(StrEnum):
    """What an image of a host is for; see hosts.yaml."""

    INSTALL = "install"
    NODE = "node"


LEVELS = ("install", "service", "cluster")


@dataclass(frozen=True)
class Family:
    """What hosts of one package manager have in common. `setup` is a template."""

    format: Format
    manager: str
    setup: str
    packages: tuple[str, ...]
    node: tuple[str, ...]
    pool: tuple[str, ...] = ()
    stand_ins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Host:
    """One distribution. It has either `suite` or `image`. `levels` are those it can prove."""

    name: str
    title: str
    family: Family
    suite: str = ""
    image: str = ""
    without: tuple[str, ...] = ()
    levels: tuple[str, ...] = LEVELS

    @property
    def format(self) -> Format:
        """The packages it takes."""
        return self.family.format

    def packages(self, purpose: Purpose) -> tuple[str, ...]:
        """What its image holds from the start, for a purpose."""
        node = self.family.node if purpose is Purpose.NODE else ()
        names = dict.fromkeys((*self.family.packages, *node))
        return tuple(name for name in names if name not in self.without)

    @property
    def proves(self) -> str:
        """In words, for `inv hosts`."""
        return f"{self.format} through {self.family.manager}: {', '.join(self.levels)}"


@dataclass(frozen=True)
class Table:
    """All hosts by name, and which of them to take first for each format."""

    hosts: Mapping[str, Host]
    defaults: Mapping[Format, tuple[str, ...]]

    def pick(self, name: str) -> Host:
        """The host of that name; raises UsageError naming the ones there are."""
        if name not in self.hosts:
            raise UsageError(f"--on {name}: no such host.", f"There are: {', '.join(self.hosts)}.")
        return self.hosts[name]

    def first(self, format_: Format, level: str, possible: Iterable[str]) -> Host | None:
        """The default host of a format for a level, among those that are possible."""
        can = frozenset(possible)
        names = (name for name in self.defaults[format_] if name in can)
        return next((self.hosts[n] for n in names if level in self.hosts[n].levels), None)


@functools.cache
def load() -> Table:
    """The table that comes with kubeparcel."""
    import yaml

    from kubeparcel.config.catalog import LOADER

    data = yaml.load((PACKAGE / "hosts/hosts.yaml").read_bytes(), LOADER)  # noqa: S506 - a safe one
    families = {name: _family(row) for name, row in data["families"].items()}
    return Table(
        hosts={name: _host(name, row, families) for name, row in data["hosts"].items()},
        defaults={Format(name): tuple(names) for name, names in data["defaults"].items()},
    )


def _family(row: Mapping[str, Any]) -> Family:
    return Family(
        format=Format(row["format"]),
        manager=row["manager"],
        setup=row["setup"],
        packages=tuple(row["packages"]),
        node=tuple(row["node"]),
        pool=tuple(row.get("pool", ())),
        stand_ins={name: tuple(says) for name, says in row.get("stand-ins", {}).items()},
    )


def _host(name: str, row: Mapping[str, Any], families: Mapping[str, Family]) -> Host:
    lists = {key: tuple(row[key]) for key in ("without", "levels") if key in row}
    return Host(
        name=name,
        title=row["title"],
        family=families[row["family"]],
        suite=row.get("suite", ""),
        image=row.get("image", ""),
        **lists,
    )
