"""Relations between packages, in deb's notation: `name (>= 1.2) | other`."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from kubeparcel.model import Format
from kubeparcel.packages.versions import version_key

PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
STRICT_OPERATORS: Mapping[str, str] = {"<": "<<", ">": ">>"}
"""Deb's notation of rpm's `<` and `>`; in debs these mean `<=` and `>=`."""

_OPERATOR = "<<|<=|=|>=|>>|<|>"
_RELATION = re.compile(rf"([^\s(:\[<]+)(?::\w+)?(?:\s*\(\s*({_OPERATOR})\s*([^\s)]+)\s*\))?")
_BOUND = re.compile(rf"({_OPERATOR})\s*(\S+)")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<<": operator.lt,
    "<": operator.le,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.ge,
    ">>": operator.gt,
}


class Relation(NamedTuple):
    """A relation to another package; without an operator any version satisfies it."""

    name: str
    operator: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


def satisfies(format_: Format, version: str, relation: Relation) -> bool:
    """Return whether a version satisfies a relation."""
    if not relation.operator:
        return True
    actual, bound = version_key(format_, version), version_key(format_, relation.version)
    comparison = relation.operator
    if format_ is Format.RPM:
        actual, bound = actual[: len(bound)], bound[: len(actual)]
        comparison = STRICT_OPERATORS.get(comparison, comparison)
    return _COMPARE[comparison](actual, bound)


@functools.lru_cache(20_000)
def parse_relations(text: str) -> tuple[tuple[Relation, ...], ...]:
    """Parse a list: a group of alternatives for each relation."""
    groups = (tuple(_alternatives(group)) for group in text.split(","))
    return tuple(group for group in groups if group)


def _alternatives(group: str) -> Iterator[Relation]:
    for part in group.split("|"):
        match = _RELATION.match(part.strip())
        if match:
            yield Relation(match[1], match[2] or "", match[3] or "")


def normalize_relation(text: str) -> str:
    """Return a relation or its alternatives with the usual spaces: `a (>= 1) | b:any`."""
    return " | ".join(_normalize_alternative(" ".join(part.split())) for part in text.split("|"))


def _normalize_alternative(text: str) -> str:
    name, _, rest = text.rpartition("(")
    bound, _, after = rest.partition(")")
    match = _BOUND.fullmatch(bound.strip())
    return f"{name.rstrip()} ({match[1]} {match[2]}){after}" if name and match else text
