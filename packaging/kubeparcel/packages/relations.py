"""Version order of dpkg and rpm, and relations between packages."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from kubeparcel.model import Format

PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
DEB_VERSION = re.compile(r"(?:\d+:)?[0-9A-Za-z][0-9A-Za-z.+~-]*")
RPM_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~^_]*")
_RELATION = re.compile(r"([^\s(:\[<]+)(?::\w+)?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?")
_PARTS = re.compile(r"(\D*)(\d*)")
_SEGMENTS = re.compile(r"\d+|[A-Za-z]+|~|\^")
STRICT_OPERATORS: Mapping[str, str] = {"<": "<<", ">": ">>"}
"""Deb's notation of rpm's `<` and `>`; in debs these mean `<=` and `>=`."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<<": lambda a, b: a < b,
    "<": lambda a, b: a <= b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a >= b,
    ">>": lambda a, b: a > b,
}


class Relation(NamedTuple):
    """A relation to another package; without an operator any version satisfies it."""

    name: str
    operator: str = ""
    version: str = ""


def _rank(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


@functools.lru_cache(1_000)
def _letters(text: str) -> tuple[int, ...]:
    return (*map(_rank, text), 0)


def _deb_part(text: str) -> tuple[object, ...]:
    key: list[object] = []
    for letters, digits in _PARTS.findall(text):
        if letters or digits:
            key += [_letters(letters), int(digits or 0)]
    return (*key, (0,))


@functools.lru_cache(100_000)
def deb_version_key(version: str) -> tuple[object, ...]:
    """Return a key that sorts as dpkg does (deb-version(7))."""
    epoch, _, rest = version.rpartition(":")
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return int(epoch or 0), _deb_part(upstream), _deb_part(revision or "0")


_RANKS = {"~": 0, "^": 2}


def _rpm_part(text: str) -> tuple[object, ...]:
    key: list[tuple[object, ...]] = []
    for segment in _SEGMENTS.findall(text):
        if segment.isdigit():
            key.append((4, int(segment)))
        elif segment in _RANKS:
            key.append((_RANKS[segment],))
        else:
            key.append((3, segment))
    return (*key, (1,))


@functools.lru_cache(100_000)
def rpm_version_key(version: str) -> tuple[object, ...]:
    """Return a key that sorts as rpm does (rpmvercmp), without the release if there is none."""
    epoch, _, rest = version.rpartition(":")
    upstream, dash, release = rest.rpartition("-")
    if not dash:
        return int(epoch or 0), _rpm_part(rest)
    return int(epoch or 0), _rpm_part(upstream), _rpm_part(release)


_KEYS: Mapping[Format, Callable[[str], tuple[object, ...]]] = {
    Format.DEB: deb_version_key,
    Format.RPM: rpm_version_key,
}


def version_key(format_: Format, version: str) -> tuple[object, ...]:
    """Return a key that sorts versions as the format does."""
    return _KEYS[format_](version)


def satisfies(format_: Format, version: str, relation: Relation) -> bool:
    """Return whether a version satisfies a relation."""
    if not relation.operator:
        return True
    actual, bound = version_key(format_, version), version_key(format_, relation.version)
    operator = relation.operator
    if format_ is Format.RPM:
        actual, bound = actual[: len(bound)], bound[: len(actual)]
        operator = STRICT_OPERATORS.get(operator, operator)
    return _COMPARE[operator](actual, bound)


@functools.lru_cache(20_000)
def parse_relations(text: str) -> tuple[tuple[Relation, ...], ...]:
    """Parse a list in deb's notation: a group of alternatives for each relation."""
    groups = (tuple(_alternatives(group)) for group in text.split(","))
    return tuple(group for group in groups if group)


def _alternatives(group: str) -> Iterator[Relation]:
    for part in group.split("|"):
        match = _RELATION.match(part.strip())
        if match:
            yield Relation(match[1], match[2] or "", match[3] or "")
