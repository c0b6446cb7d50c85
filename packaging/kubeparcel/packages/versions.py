"""The order of versions in dpkg and rpm."""

from __future__ import annotations

import functools
import re

from kubeparcel.model import Format
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.numbers import parse_number

_DEB_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_RPM_SEGMENTS = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")
_RPM_RANKS = {"~": 0, "^": 2}


def split_version(version: str) -> tuple[int, str, str | None]:
    """Return epoch, upstream version, and revision (rpm: release) or None. Raises MalformedData for a bad epoch."""
    epoch, _, rest = version.rpartition(":")
    upstream, dash, revision = rest.rpartition("-")
    number = parse_number(epoch, "the epoch of a version") if epoch else 0
    return number, upstream if dash else rest, revision if dash else None


def _parts(version: str) -> tuple[int, str, str | None]:
    """Split a version for its key: relations may have any text, which has to sort somewhere."""
    try:
        return split_version(version)
    except MalformedData:
        return 0, version, None


def version_key(format_: Format, version: str) -> tuple[object, ...]:
    """Return a key that sorts versions as the format does."""
    return deb_version_key(version) if format_ is Format.DEB else rpm_version_key(version)


@functools.lru_cache(100_000)
def deb_version_key(version: str) -> tuple[object, ...]:
    """Return a key that sorts as dpkg does (deb-version(7))."""
    epoch, upstream, revision = _parts(version)
    return epoch, _deb_part(upstream), _deb_part(revision or "0")


@functools.lru_cache(1_000)  # most revisions are equal
def _deb_part(text: str) -> tuple[object, ...]:
    key: list[object] = []
    for letters, digits in _DEB_PARTS.findall(text):
        if letters or digits:
            key += [_letters(letters), digits_key(digits)]
    return (*key, (0,))


@functools.lru_cache(1_000)
def _letters(text: str) -> tuple[int, ...]:
    return (*map(_rank, text), 0)


@functools.lru_cache(1_000)
def digits_key(digits: str) -> tuple[int, str]:
    """Return a key that sorts decimal numbers of any length."""
    significant = digits.lstrip("0")
    return len(significant), significant


def _rank(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


@functools.lru_cache(100_000)
def rpm_version_key(version: str) -> tuple[object, ...]:
    """Return a key that sorts as rpm does (rpmvercmp), without the release if there is none."""
    epoch, upstream, release = _parts(version)
    if release is None:
        return epoch, _rpm_part(upstream)
    return epoch, _rpm_part(upstream), _rpm_part(release)


def _rpm_part(text: str) -> tuple[object, ...]:
    key: list[tuple[object, ...]] = []
    for segment in _RPM_SEGMENTS.findall(text):
        if segment.isdigit():
            key.append((4, *digits_key(segment)))
        elif segment in _RPM_RANKS:
            key.append((_RPM_RANKS[segment],))
        else:
            key.append((3, segment))
    return (*key, (1,))
