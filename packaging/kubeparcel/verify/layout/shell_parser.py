"""Scriptlets as simple commands, each with the conditions it runs under.

Reads what package scriptlets are made of: lists, `if`, `case`, loops, command substitution. It
does not expand anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<blank>(?:[ \t]|\\\n)+)
    | (?P<comment>(?<![^\s;&|()])\#[^\n]*)
    | (?P<redirect>\d*(?:<<-?|>>|[<>]&?|&>)[ \t]*(?:-|"[^"]*"|'[^']*'|[^\s;&|()]*))
    | (?P<operator>\n|&&|\|\||;;|[;&|()])
    | (?P<word>(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|\$\([^()]*\)|`[^`]*`
               |[^\s;&|()'"\\<>`]|['"\\`])+)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTES = re.compile(r"""\\(.)|["']""", re.DOTALL)
_SUBSTITUTION = re.compile(r"\$\(([^()]*)\)|`([^`]*)`")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OPENING = {"then", "do", "else", "{", "!", "if", "elif", "while", "until", "time"}


@dataclass(frozen=True)
class Command:
    """One simple command: its words without quotes, its line, and what decides about it.

    `under` are the conditions it runs under: those of `if` and `case` around it, and the commands
    before it in an and-list. `tests` says that it is itself a condition; `caught`, that its
    failure does not end the script: `||` follows, or it is a condition. `listed`: it follows `&&`.
    """

    argv: tuple[str, ...]
    line: int
    conditions: tuple[str, ...] = ()
    is_condition: bool = False
    failure_handled: bool = False
    follows_and: bool = False

    @property
    def program(self) -> str:
        """The program's name, without its folder."""
        return self.argv[0].rsplit("/", 1)[-1]

    @property
    def command_line(self) -> str:
        """The command on one line."""
        return " ".join(self.argv)


@dataclass
class _Reader:
    """Where the reading stands: the conditions around, and the list that is being read."""

    around: list[str]
    condition: list[str] | None = None
    before: tuple[str, ...] = ()
    listed: bool = False
    patterns: list[str] | None = None


def parse_commands(body: str, line: int = 1) -> tuple[Command, ...]:
    """The simple commands of a script in their order, those in `$(…)` included."""
    found: list[Command] = []
    reader = _Reader([])
    for words, at, operator in _pieces(body, line):
        rest = _keywords(words, reader)
        if reader.patterns is not None and _pattern(rest, operator, reader):
            continue
        plain = [_QUOTES.sub(lambda m: m[1] or "", word) for word in rest]
        while plain and _ASSIGNMENT.match(plain[0]):
            plain.pop(0)
        if plain:
            found.append(_command(tuple(plain), at, operator, reader))
        for word in rest:
            for inner in _SUBSTITUTION.finditer(word):
                found += parse_commands(inner[1] or inner[2] or "", at)
        if operator == ";;":
            reader.patterns = []
        if operator in ("&&", "||"):
            reader.listed = operator == "&&"
            reader.before = (*reader.before, " ".join(plain)) if reader.listed else ()
        else:
            reader.before, reader.listed = (), False
    return tuple(found)


def _pattern(words: list[str], operator: str, reader: _Reader) -> bool:
    """Take in the patterns before a branch of a `case`; they are no commands."""
    patterns = reader.patterns or []
    if operator not in ("|", ")", "(", "\n") or (operator == "\n" and words):
        reader.patterns = None
        return False
    patterns += words
    if operator == ")":
        subject = reader.around[-1].partition(" in ")[0]
        reader.around[-1] = f"{subject} in {' | '.join(patterns)}"
    reader.patterns = None if operator == ")" else patterns
    return True


def _command(words: tuple[str, ...], line: int, operator: str, reader: _Reader) -> Command:
    tests = reader.condition is not None
    if reader.condition is not None:
        reader.condition.append(" ".join(words))
    return Command(
        argv=words[1:] if words[0] in ("command", "exec") and words[1:2] != ("-v",) else words,
        line=line,
        conditions=(*reader.around, *reader.before),
        is_condition=tests,
        failure_handled=tests or operator == "||",
        follows_and=reader.listed,
    )


def _keywords(words: list[str], reader: _Reader) -> list[str]:
    """Take the keywords off the front, keeping the account of what is around."""
    rest = list(words)
    while rest and (rest[0] in _OPENING or rest[0] in ("fi", "done", "esac", "}", "case", "for")):
        word = rest.pop(0)
        if word in ("if", "elif", "while", "until"):
            reader.condition = []
            if word == "elif" and reader.around:
                reader.around.pop()
        elif word in ("then", "do"):
            reader.around.append(" ; ".join(reader.condition or ["for"]))
            reader.condition = None
        elif word == "else" and reader.around:
            reader.around[-1] = f"not: {reader.around[-1]}"
        elif word == "case":
            subject = _QUOTES.sub(lambda m: m[1] or "", rest[0]) if rest else ""
            reader.around.append(f"case {subject} in ")
            reader.patterns = []
            rest = rest[2:]
        elif word == "for":
            rest = []
        elif word in ("fi", "done", "esac"):
            reader.around[-1:] = []
            reader.patterns = None if word == "esac" else reader.patterns
    return rest


def _pieces(body: str, line: int) -> Iterator[tuple[list[str], int, str]]:
    """Words up to each operator, with the line they start on; redirections are left out."""
    words: list[str] = []
    start = at = line
    for match in _TOKEN.finditer(body):
        kind, text = match.lastgroup, match[0]
        if kind == "word":
            start = start if words else at
            words.append(text)
        elif kind == "operator":
            yield words, start, text
            words = []
        at += text.count("\n")
    yield words, start, "\n"
