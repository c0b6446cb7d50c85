"""Compares the metadata of two packages: fields, scripts and relations."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from kubeparcel.diff.model import Change, ContentsPair, Topic
from kubeparcel.packages.model import PackageContents
from kubeparcel.packages.relations import normalize_relation
from kubeparcel.times import utc_time

_FIELDS = ("summary", "description", "section", "license", "homepage", "maintainer", "vendor")
_OF_ONE_FORMAT = ("section", "license", "vendor")
_MAX_LINES = 1500
"""Above, comparing each line with all others takes too long."""

_INCIDENTAL = ("compression", "build_host")


def compare_metadata(pair: ContentsPair) -> Iterator[Change]:
    """Yield the differences of the version and other fields, across formats only of those that both have."""
    yield from _values(Topic.METADATA, "version", pair.old.full_version, pair.new.full_version)
    for field in _FIELDS:
        old, new = getattr(pair.old, field), getattr(pair.new, field)
        if not pair.across or field not in _OF_ONE_FORMAT:
            yield from _values(Topic.METADATA, field, old, new)
    for field in _INCIDENTAL:
        label = field.replace("_", " ")
        yield from _values(Topic.INCIDENTAL, label, getattr(pair.old, field), getattr(pair.new, field))
    yield from _values(Topic.INCIDENTAL, "build time", _time(pair.old), _time(pair.new))
    signatures = [", ".join(package.signatures) for package in (pair.old, pair.new)]
    yield from _values(Topic.INCIDENTAL, "signatures", *signatures)


def _time(package: PackageContents) -> str:
    return utc_time(package.build_time) if package.build_time else ""


def _values(topic: Topic, name: str, old: str, new: str) -> Iterator[Change]:
    if old != new:
        yield Change(topic, name, name, old, new)


def compare_scripts(pair: ContentsPair) -> Iterator[Change]:
    """Yield the differences of scripts; those of debs and rpms run at other times, and are not compared."""
    if pair.across:
        return
    for name in sorted({*pair.old.scripts, *pair.new.scripts}):
        old, new = (package.scripts.get(name) for package in (pair.old, pair.new))
        if old and new and old.interpreter != new.interpreter:
            yield Change(Topic.SCRIPTS, name, "interpreter", old.interpreter, new.interpreter)
        if not (old and new) or old.body != new.body:
            before, after = ("present" if script else "" for script in (old, new))
            lines = unified_diff(*(script.body if script else "" for script in (old, new)))
            yield Change(Topic.SCRIPTS, name, "script", before, after, lines)


def unified_diff(old: str, new: str) -> tuple[str, ...]:
    """Return the lines of a diff with one line of context, without its header.

    Of long texts, all lines between the first and the last difference are listed.
    """
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) <= _MAX_LINES:
        return tuple(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
    start = _common_start(before, after)
    end = _common_start(before[start:][::-1], after[start:][::-1])
    removed, added = (lines[start : len(lines) - end] for lines in (before, after))
    return (*(f"-{line}" for line in removed), *(f"+{line}" for line in added))


def _common_start(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many lines are equal before the first difference."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(old), len(new)))


def compare_relations(pair: ContentsPair) -> Iterator[Change]:
    """Yield the differences of relations, as sets; a relation with another version is one difference."""
    for kind in dict.fromkeys((*pair.old.relations, *pair.new.relations)):
        yield from _relations(Topic.RELATIONS, kind, pair.old.relations, pair.new.relations)
    if pair.across:
        return
    old, new = pair.old.automatic_relations, pair.new.automatic_relations
    for kind in dict.fromkeys((*old, *new)):
        yield from _relations(Topic.INCIDENTAL, kind, old, new)


def _relations(
    topic: Topic, kind: str, old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> Iterator[Change]:
    before, after = ({normalize_relation(text) for text in relations.get(kind, ())} for relations in (old, new))
    removed, added = sorted(before - after), sorted(after - before)
    candidates = {_name(text): text for text in reversed(added)}
    counterparts = {text: candidates.pop(_name(text), "") for text in removed}
    for text, counterpart in counterparts.items():
        yield Change(topic, kind, "relation", text, counterpart)
    for text in sorted({*added} - {*counterparts.values()}):
        yield Change(topic, kind, "relation", "", text)


def _name(relation: str) -> str:
    return relation.partition(" (")[0]
