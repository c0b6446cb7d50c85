"""How packages relate: the order of versions in dpkg and rpm, and whether a version will do."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from kubeparcel.model import Format

PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
DEB_VERSION = re.compile(r"(?:\d+:)?[0-9A-Za-z][0-9A-Za-z.+~-]*")
RPM_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~^_]*")
_ONE = re.compile(r"([^\s(:\[<]+)(?::\w+)?(?:\s*\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?")
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
    """A wish for another package; without an operator any version will do."""

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
    """Sorts as dpkg does (deb-version(7))."""
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
    """Sorts as rpm does (rpmvercmp); a version without a release compares without it."""
    epoch, _, rest = version.rpartition(":")
    upstream, dash, release = rest.rpartition("-")
    if not dash:
        return int(epoch or 0), _rpm_part(rest)
    return int(epoch or 0), _rpm_part(upstream), _rpm_part(release)


KEYS: Mapping[Format, Callable[[str], tuple[object, ...]]] = {
    Format.DEB: deb_version_key,
    Format.RPM: rpm_version_key,
}


def version_key(format_: Format, version: str) -> tuple[object, ...]:
    """Sorts versions as the format does."""
    return KEYS[format_](version)


def satisfies(format_: Format, version: str, relation: Relation) -> bool:
    """Whether a version fulfils a wish."""
    if not relation.operator:
        return True
    have, want = version_key(format_, version), version_key(format_, relation.version)
    operator = relation.operator
    if format_ is Format.RPM:
        have, want = have[: len(want)], want[: len(have)]
        operator = STRICT_OPERATORS.get(operator, operator)
    return _COMPARE[operator](have, want)


@functools.lru_cache(20_000)
def parse_relations(needs: str) -> tuple[tuple[Relation, ...], ...]:
    """A list of relations as debs write it: all of them, of each any alternative."""
    groups = (tuple(_alternatives(group)) for group in needs.split(","))
    return tuple(group for group in groups if group)


def _alternatives(group: str) -> Iterator[Relation]:
    for part in group.split("|"):
        match = _ONE.match(part.strip())
        if match:
            yield Relation(match[1], match[2] or "", match[3] or "")
