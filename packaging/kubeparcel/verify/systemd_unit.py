"""Unit files and environment files, parsed as systemd does (systemd.syntax(7), systemd.exec(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """An assignment in a unit file, and its line number."""

    section: str
    key: str
    value: str
    line: int


@dataclass(frozen=True)
class UnitFile:
    """The assignments of a unit file in order, and the lines that systemd ignores, by number."""

    settings: tuple[Setting, ...]
    invalid_lines: tuple[tuple[int, str], ...]

    def assignments(self, section: str, key: str) -> tuple[Setting, ...]:
        """Return every assignment of a key, including empty ones."""
        return tuple(s for s in self.settings if (s.section, s.key) == (section, key))

    def effective_list(self, section: str, key: str) -> tuple[Setting, ...]:
        """Return the effective assignments of a list: an empty one clears those before it."""
        effective: list[Setting] = []
        for setting in self.assignments(section, key):
            effective.append(setting)
            if not setting.value:
                effective.clear()
        return tuple(effective)

    def effective_value(self, section: str, key: str) -> Setting | None:
        """Return the effective assignment of a single value: the last one."""
        return next(reversed(self.assignments(section, key)), None)


def parse_unit(text: str) -> UnitFile:
    """Parse a unit or drop-in."""
    section = ""
    settings: list[Setting] = []
    invalid_lines: list[tuple[int, str]] = []
    for line, content in _logical_lines(text):
        if content.startswith("["):
            if content.endswith("]"):
                section = content[1:-1]
            else:
                invalid_lines.append((line, content))
            continue
        key, equals, value = content.partition("=")
        if not equals or not section or not key.strip():
            invalid_lines.append((line, content))
            continue
        settings.append(Setting(section, key.strip(), value.strip(), line))
    return UnitFile(tuple(settings), tuple(invalid_lines))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers: without comments and empty lines, continuations joined."""
    start, joined = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith(("#", ";")) or not (line or joined):
            continue
        start = start or number
        if line.endswith("\\"):
            joined += f"{line[:-1]} "
            continue
        yield start, (joined + line).strip()
        start, joined = 0, ""
    if joined:
        yield start, joined.strip()


@dataclass(frozen=True)
class Word:
    """A word of a value: `text` without quotes and escapes, `raw` as written."""

    text: str
    raw: str

    @property
    def quoted(self) -> bool:
        """Whether any part of the word is quoted or escaped."""
        return self.text != self.raw


_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|[^ \t\r\n"'\\]|["'\\])+""")
_PIECE = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\\(.)|(.)""", re.DOTALL)


def split_words(value: str) -> tuple[Word, ...]:
    """Split a value as systemd does: at white space outside quotes."""
    return tuple(Word(_unquote(match[0]), match[0]) for match in _WORD.finditer(value))


def _unquote(raw: str) -> str:
    def plain(match: re.Match[str]) -> str:
        quoted, escaped, other = match.groups()
        if quoted:
            return re.sub(r"\\(.)", r"\1", quoted[1:-1])
        return escaped or other or ""

    return _PIECE.sub(plain, raw)


_ASSIGNMENT = re.compile(
    r"""[ \t]*[#;][^\n]*\n?|[ \t]*(?P<name>[^=\n]*)(?P<value>=
    (?P<quoted>(?:[ \t]*(?:"(?:\\.|[^"\\])*"|'[^']*'))*)[ \t]*(?P<plain>(?:\\.|[^\\\n])*)\\?)?(?:\n|\Z)""",
    re.DOTALL | re.VERBOSE,
)
_JOINED = re.compile(r"""\n?[^=\n]*=[ \t]*(?:"(?:\\.|[^"\\])*"|'[^']*')+[ \t]+[^ \t\r\n]""", re.DOTALL)
_QUOTED = re.compile(r""""((?:\\.|[^"\\])*)"|'([^']*)'""", re.DOTALL)


def parse_environment_file(text: str) -> tuple[tuple[str, str, int], ...]:
    """Return the name, value and line number of each assignment in an EnvironmentFile.

    Quotes count only before other text: `"a" "b"` is `ab`, and `a "b"` keeps its quotes.
    """
    variables = []
    line, counted = 1, 0
    for match in _ASSIGNMENT.finditer(text):
        name = (match["name"] or "").strip()
        if name or match["value"]:
            pieces = (
                _unescape(double, '["\\\\`$]') or single for double, single in _QUOTED.findall(match["quoted"] or "")
            )
            value = "".join(pieces) + _unescape(match["plain"] or "", ".").rstrip(" \t\r")
            line, counted = line + text.count("\n", counted, match.start("name")), match.start("name")
            variables.append((name, value, line))
    return tuple(variables)


def _unescape(text: str, special: str) -> str:
    return re.sub(rf"\\(?:\n|({special}))", lambda match: match[1] or "", text)


def joined_variables(text: str) -> tuple[str, ...]:
    """Return the variables of an EnvironmentFile whose value has white space after quotes, which systemd drops."""
    assignments = (match for match in _ASSIGNMENT.finditer(text) if match["value"])
    return tuple(match["name"].strip() for match in assignments if _JOINED.match(match[0]))
