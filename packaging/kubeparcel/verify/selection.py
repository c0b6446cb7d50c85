"""Which checks a run includes (`--only`), and what there is to choose from (`--list`)."""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from kubeparcel.errors import UsageError

NOT_SELECTED = "not selected by --only"
NAME_WIDTH, LINE_WIDTH = 26, 80
"""Columns of the list: of a name, and of a whole line."""


@dataclass(frozen=True)
class Entry:
    """What `--only` selects: a check of the layout level, or a scenario with its steps (name, meaning)."""

    name: str
    meaning: str
    steps: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The entry's name, and those of its steps: each selects the whole entry."""
        return (self.name, *(name for name, _ in self.steps))

    def as_dict(self) -> dict[str, Any]:
        steps = [{"name": name, "meaning": meaning} for name, meaning in self.steps]
        return {"name": self.name, "meaning": self.meaning, **({"checks": steps} if steps else {})}


Entries: TypeAlias = Mapping[str, Sequence[Entry]]
"""All entries by level, in the order of the levels."""


@dataclass(frozen=True)
class Selection:
    """Names or patterns such as `upgrade`, `install/upgrade` or `*-alone`; without any, all is selected."""

    patterns: tuple[str, ...] = ()

    def includes(self, level: str, *names: str) -> bool:
        """Return whether a pattern matches one of the names, with or without its level."""
        return not self.patterns or any(
            fnmatchcase(text, pattern)
            for pattern in self.patterns
            for name in names
            for text in (name, f"{level}/{name}")
        )

    def filter(self, entries: Entries) -> Entries:
        """Return the selected entries, and only levels that have some."""
        selected = {
            level: [entry for entry in of_level if self.includes(level, *entry.names)]
            for level, of_level in entries.items()
        }
        return {level: of_level for level, of_level in selected.items() if of_level}

    def require_known(self, entries: Entries, levels: Sequence[str]) -> None:
        """Raise UsageError for a pattern that matches nothing, or nothing up to the last of some levels."""
        for pattern in self.patterns:
            matching = [*Selection((pattern,)).filter(entries)]
            if not matching:
                names = dict.fromkeys(
                    name for of_level in entries.values() for entry in of_level for name in entry.names
                )
                near = difflib.get_close_matches(pattern.rpartition("/")[2], dict.fromkeys(names), 3)
                suggestion = f" Did you mean {' or '.join(near)}?" if near else ""
                raise UsageError(f"--only: unknown name '{pattern}'.{suggestion}", "Names: inv verify --list")
            if not set(matching) & set(levels):
                raise UsageError(
                    f"--only: '{pattern}' is in the level {' and '.join(matching)}, after --level {levels[-1]}.",
                    f"Use --level {matching[0]}, or leave out --level.",
                )


EVERYTHING = Selection()


def list_as_json(entries: Entries, summaries: Mapping[str, str]) -> str:
    """Return all entries as one JSON document."""
    levels = [
        {"level": level, "summary": summaries[level], "checks": [entry.as_dict() for entry in of_level]}
        for level, of_level in entries.items()
    ]
    return json.dumps({"levels": levels}, indent=2)


def list_as_text(entries: Entries, summaries: Mapping[str, str]) -> str:
    """Return all entries by level, with what each asserts, in lines of at most 80 columns."""
    lines = []
    for level, of_level in entries.items():
        lines += ["", f"{level}: {summaries[level]}"]
        for entry in of_level:
            lines += _line(entry.name, entry.meaning, 2)
            lines += (line for name, meaning in entry.steps for line in _line(name, meaning, 4))
    return "\n".join(lines).lstrip("\n")


def _line(name: str, meaning: str, indent: int) -> Iterator[str]:
    first, *rest = textwrap.wrap(meaning, LINE_WIDTH - NAME_WIDTH - 1) or [""]
    label = f"{' ' * indent}{name}"
    if len(label) > NAME_WIDTH:
        yield label
        label = ""
    yield f"{label:<{NAME_WIDTH}} {first}"
    yield from (f"{'':<{NAME_WIDTH}} {line}" for line in rest)
