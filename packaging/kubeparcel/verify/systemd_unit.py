"""Unit files and environment files as systemd reads them (systemd.syntax(7), systemd.exec(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One assignment, with the line it stands on."""

    section: str
    key: str
    value: str
    line: int


@dataclass(frozen=True)
class UnitFile:
    """The assignments of a file in their order; `faults` are lines that systemd would ignore."""

    settings: tuple[Setting, ...]
    invalid_lines: tuple[tuple[int, str], ...]

    def assignments(self, section: str, key: str) -> tuple[Setting, ...]:
        """Every assignment of a key, also the empty ones."""
        return tuple(s for s in self.settings if (s.section, s.key) == (section, key))

    def effective_list(self, section: str, key: str) -> tuple[Setting, ...]:
        """The assignments of a list that count: an empty one drops what stood before it."""
        kept: list[Setting] = []
        for setting in self.assignments(section, key):
            kept = [*kept, setting] if setting.value else []
        return tuple(kept)

    def effective_value(self, section: str, key: str) -> Setting | None:
        """The assignment of a single value that counts."""
        return next(reversed(self.assignments(section, key)), None)


def parse_unit(text: str) -> UnitFile:
    """Read a unit or drop-in; what systemd would only warn of is in `faults`."""
    section = ""
    settings: list[Setting] = []
    faults: list[tuple[int, str]] = []
    for line, content in _logical_lines(text):
        if content.startswith("["):
            if content.endswith("]"):
                section = content[1:-1]
            else:
                faults.append((line, content))
            continue
        key, equals, value = content.partition("=")
        if not equals or not section or not key.strip():
            faults.append((line, content))
            continue
        settings.append(Setting(section, key.strip(), value.strip(), line))
    return UnitFile(tuple(settings), tuple(faults))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments and empty ones; one that ends in a backslash goes on in the next."""
    start, whole = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith(("#", ";")) or not (line or whole):
            continue
        start = start or number
        if line.endswith("\\"):
            whole += f"{line[:-1]} "
            continue
        yield start, (whole + line).strip()
        start, whole = 0, ""
    if whole:
        yield start, whole.strip()


@dataclass(frozen=True)
class Word:
    """One word of a value, without its quotes; `raw` is as it was written."""

    text: str
    raw: str

    @property
    def quoted(self) -> bool:
        """Whether any of it stood in quotes."""
        return self.text != self.raw


_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^\s"'\\]|["'\\])+""")
_PIECE = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\\(.)|(.)""", re.DOTALL)


def split_words(value: str) -> tuple[Word, ...]:
    """Split a value as systemd does: at white space outside quotes."""
    return tuple(Word(_unquoted(match[0]), match[0]) for match in _WORD.finditer(value))


def _unquoted(raw: str) -> str:
    def plain(match: re.Match[str]) -> str:
        quoted, escaped, other = match.groups()
        if quoted:
            return re.sub(r"\\(.)", r"\1", quoted[1:-1])
        return escaped or other or ""

    return _PIECE.sub(plain, raw)


def parse_environment_file(text: str) -> tuple[tuple[str, str, int], ...]:
    """The assignments of an EnvironmentFile: name, value, line (systemd.exec(5))."""
    found = []
    for line, content in _logical_lines(text):
        name, equals, value = content.partition("=")
        found.append((name.strip() if equals else content, _unquoted(value.strip()), line))
    return tuple(found)
