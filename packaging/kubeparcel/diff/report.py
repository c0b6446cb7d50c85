"""The differences as text, JSON and one HTML page, the most important first."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from kubeparcel.console import quantity
from kubeparcel.diff.model import Change, Comparison, Name, Side, Topic
from kubeparcel.reports.html import render_page
from kubeparcel.sanitize import printable

WIDTH = 80
MAX_LINES = 24
"""Lines of a diff, or subjects of a group, that the text has; JSON and the page have all."""

_LONG = 50
_ACTIONS = ("removed", "changed", "added")


@dataclass(frozen=True)
class Group:
    """Subjects that differ in the same way, in the same packages."""

    action: str
    attribute: str
    old: str
    new: str
    lines: tuple[str, ...]
    packages: str
    subjects: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.subjects) // (2 if self.action == "moved" else 1)

    @property
    def values(self) -> str:
        """Return what differs in one line: `mode 0644 → 0600`, or `added`; empty if it needs several lines."""
        if not self.attribute or self.lines:
            return self.action
        if self.is_long:
            return self.attribute
        if self.attribute == "relation" and self.action != "changed":
            return f"{self.action} {self.old or self.new}"
        values = f"{self.old or 'none'} → {self.new or 'none'}"
        return values if self.attribute in ("relation", "module") else f"{self.attribute} {values}"

    @property
    def is_long(self) -> bool:
        """Whether the values need lines of their own."""
        return "\n" in self.old + self.new or len(self.old + self.new) > _LONG

    @property
    def details(self) -> tuple[str, ...]:
        """Return the lines of a diff of the values, or of the contents."""
        if self.lines or not (self.attribute and self.is_long):
            return self.lines
        before, after = self.old.split("\n"), self.new.split("\n")
        common = {"", *before} & {"", *after}
        removed = [f"-{line}" for line in before if line and line not in common]
        return (*removed, *(f"+{line}" for line in after if line and line not in common))


def group_changes(comparison: Comparison, changes: Sequence[Change]) -> list[Group]:
    """Return the changes of a topic in groups: removals first, then changes, then additions."""

    def key(change: Change) -> tuple[Any, ...]:
        # Modules with the same versions are listed together, whichever packages have them.
        packages = () if change.topic is Topic.MODULES else tuple(comparison.changes[change])
        whole = change.attribute in ("", "script", "relation", "moved")
        rank = _ACTIONS.index(change.action) if whole or change.topic is Topic.MODULES else 1
        subject = change.subject if change.topic in (Topic.UNITS, Topic.RELATIONS) or change.lines else ""
        moved = change.attribute == "moved"
        return rank, packages, subject, change.attribute, *(("", "") if moved else change[3:5]), change.lines

    groups = []
    for (rank, _, _, attribute, old, new, lines), grouped in groupby(sorted(changes, key=key), key):
        members = list(grouped)
        names = sorted({name for change in members for name in comparison.changes[change]})
        packages = label(names, comparison)
        if attribute == "moved":
            moves = [line for change in members for line in (change.old, f"→ {change.new}")]
            groups.append(Group("moved", "", "", "", (), packages, tuple(moves)))
        else:
            subjects = tuple(change.subject for change in members)
            groups.append(Group(_ACTIONS[rank], attribute, old, new, lines, packages, subjects))
    return groups


def label(names: Sequence[Name], comparison: Comparison) -> str:
    """Return how reports name packages: without format and architecture where all of a name are meant."""
    pairs = {pair.name for pair in comparison.pairs}
    several_arches = len({name.arch for name in pairs}) > 1
    labels: dict[str, None] = {}
    for name in names:
        if {other for other in pairs if other.package == name.package} <= set(names):
            labels[name.package] = None
        else:
            labels[f"{name.package} {name.format}{f' {name.arch}' if several_arches else ''}"] = None
    return ", ".join(labels)


def as_json(comparison: Comparison, *, everything: bool) -> str:
    """Return the JSON document; incidental differences are only counted unless `everything`."""
    listed = comparison.listed(everything=everything)
    document = {
        "equal": not comparison.exit_code(everything=everything),
        "old": _side_as_dict(comparison.old),
        "new": _side_as_dict(comparison.new),
        "pairs": len(comparison.pairs),
        "same-bytes": comparison.equal,
        "incidental": len(_incidental(comparison)),
        "changes": [
            _change_as_dict(change, comparison.changes[change]) for changes in listed.values() for change in changes
        ],
    }
    return json.dumps(document, indent=2)


def _side_as_dict(side: Side) -> dict[str, Any]:
    only = [
        {"package": package.name, "version": package.version, "arch": package.arch, "format": package.format}
        for package in side.unpaired
    ]
    return {"location": side.location, "packages": side.count, "only": only}


def _change_as_dict(change: Change, names: Sequence[Name]) -> dict[str, Any]:
    entry = {
        "topic": change.topic.key,
        "action": change.action,
        "subject": change.subject,
        "attribute": change.attribute,
        "old": change.old,
        "new": change.new,
        "diff": change.lines,
        "packages": [name._asdict() for name in names],
    }
    return {name: value for name, value in entry.items() if value}


def as_text(comparison: Comparison, *, everything: bool) -> str:
    """Return the text of 80 columns; paths are not broken."""
    lines = [f"old  {_describe(comparison.old)}", f"new  {_describe(comparison.new)}"]
    for title, side in (("Only in old", comparison.old), ("Only in new", comparison.new)):
        if side.unpaired:
            lines += ["", title, *(f"  {package.label}" for package in side.unpaired)]
    for topic, changes in comparison.listed(everything=everything).items():
        lines += ["", topic.title]
        for group in group_changes(comparison, changes):
            lines += _group_lines(group, topic)
    ending = [*_notes(comparison), *summary(comparison, everything=everything)]
    return printable("\n".join([*lines, "", *(part for line in ending for part in _wrapped(line, "  "))]))


def _describe(side: Side) -> str:
    return f"{side.location} · {quantity(side.count, 'packages')}"


def _group_lines(group: Group, topic: Topic) -> Iterator[str]:
    """Yield a line for one subject, or a heading and a list of several."""
    packages = f" ({group.packages})"
    subjects = [" ".join(subject.split("\n")) for subject in group.subjects]
    if len(subjects) == 1 and subjects[0] not in (group.attribute, ""):
        line = f"  {subjects[0]}: {group.values}"
    else:
        line = f"  {group.values}"
    yield from [line + packages] if len(line + packages) <= WIDTH else [line, f"   {packages}"]
    if len(subjects) > 1 and topic is Topic.MODULES:
        yield from _wrapped(f"    {', '.join(subjects)}", "    ")
    elif len(subjects) > 1:
        yield from _limited([f"    {subject}" for subject in subjects])
    yield from _limited([f"      {line}".rstrip() for line in group.details])


def _wrapped(line: str, indent: str) -> list[str]:
    """Return a line in several, if it is too long; those after the first are indented."""
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _limited(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:MAX_LINES]
    if len(lines) > MAX_LINES:
        yield f"      … and {len(lines) - MAX_LINES} more (--json lists all)"


def _incidental(comparison: Comparison) -> list[Change]:
    return [change for change in comparison.changes if change.topic is Topic.INCIDENTAL]


def _notes(comparison: Comparison) -> Iterator[str]:
    if any(pair.old.format is not pair.new.format for pair in comparison.pairs):
        yield (
            "Debs are compared with rpms: without scripts, automatic relations, licenses and sections; "
            "/lib and /etc/sysconfig count as /usr/lib and /etc/default."
        )


def summary(comparison: Comparison, *, everything: bool) -> Iterator[str]:
    """Yield the number of differences, and what is left out."""
    count = sum(map(len, comparison.listed(everything=everything).values()))
    unpaired = len(comparison.old.unpaired) + len(comparison.new.unpaired)
    differences = quantity(count, "differences") if count else "No differences"
    only = f" · {quantity(unpaired, 'packages')} in one set only" if unpaired else ""
    pairs = quantity(len(comparison.pairs), "packages")
    yield f"{differences}{only} · {comparison.equal} of {pairs} with the same bytes"
    folded = _incidental(comparison)
    if folded and not everything:
        names = dict.fromkeys(change.attribute or "paths" for change in folded)
        yield f"Folded: {quantity(len(folded), 'incidental differences')} ({', '.join(names)}); --all lists them"


def render_html(comparison: Comparison, *, everything: bool) -> str:
    """Return one self-contained page."""
    listed = comparison.listed(everything=everything)
    return render_page(
        "report/diff.html.j2",
        {
            "comparison": comparison,
            "sections": {topic: group_changes(comparison, changes) for topic, changes in listed.items()},
            "different": bool(comparison.exit_code(everything=everything)),
            "summary": " · ".join(summary(comparison, everything=everything)),
            "notes": " ".join(_notes(comparison)),
        },
    )
