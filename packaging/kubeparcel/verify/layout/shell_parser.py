"""A parser for scriptlets: simple commands, each with the conditions under which it runs.

Supports what scriptlets consist of: lists, `if`, `case`, loops and command substitution. Nothing is expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
_MAX_CONDITIONS = 64
_MAX_CONDITION = 4096
"""The number and length of conditions that a command has at most; outer ones are left out."""

_OPENING = {"then", "do", "else", "{", "!", "if", "elif", "while", "until", "time"}
_OTHER_KEYWORDS = {"fi", "done", "esac", "}", "case", "for"}


@dataclass(frozen=True)
class Command:
    """A simple command: its words without quotes, its line number, and its context.

    `conditions` are those of the surrounding `if` and `case`, and the commands before it in an and-list.
    `is_condition`: the command is itself a condition. `failure_handled`: its failure does not end the script, because
    `||` follows or it is a condition. `follows_and`: `&&` precedes it.
    """

    argv: tuple[str, ...]
    line: int
    conditions: tuple[str, ...] = ()
    is_condition: bool = False
    failure_handled: bool = False
    follows_and: bool = False
    script: str = ""

    @property
    def location(self) -> str:
        return f"{self.script} line {self.line}"

    @property
    def program(self) -> str:
        return self.argv[0].rsplit("/", 1)[-1]

    @property
    def command_line(self) -> str:
        return " ".join(self.argv)


@dataclass
class _State:
    """The surrounding conditions, the condition being read, and the state of the and-or list.

    `condition` is None outside conditions, `patterns` outside the patterns of a `case`.
    """

    conditions: list[str]
    condition: list[str] | None = None
    and_list: tuple[str, ...] = ()
    follows_and: bool = False
    patterns: list[str] | None = None


def parse_commands(body: str, line: int = 1) -> tuple[Command, ...]:
    """Return the simple commands of a script in order, including those in `$(…)`."""
    commands: list[Command] = []
    state = _State([])
    for words, start, operator in _split_at_operators(body, line):
        rest = _take_keywords(words, state)
        if state.patterns is not None and _take_pattern(rest, operator, state):
            continue
        argv = [_remove_quotes(word) for word in rest]
        while argv and _ASSIGNMENT.match(argv[0]):
            argv.pop(0)
        if argv:
            commands.append(_command(tuple(argv), start, operator, state))
        for word in rest:
            for substitution in _SUBSTITUTION.finditer(word):
                commands += parse_commands(substitution[1] or substitution[2] or "", start)
        if operator == ";;" and state.conditions:
            state.patterns = []
        if operator in ("&&", "||"):
            state.follows_and = operator == "&&"
            state.and_list = (*state.and_list[1 - _MAX_CONDITIONS :], _join(argv)) if state.follows_and else ()
        else:
            state.and_list, state.follows_and = (), False
    return tuple(commands)


def _join(texts: Sequence[str], separator: str = " ") -> str:
    """Join the start of `texts`, as far as a condition may be long."""
    return separator.join(texts[:_MAX_CONDITION])[:_MAX_CONDITION]


def _remove_quotes(word: str) -> str:
    return _QUOTES.sub(lambda match: match[1] or "", word)


def _take_pattern(words: list[str], operator: str, state: _State) -> bool:
    """Add patterns before a branch of a `case` to its condition; return whether these are some."""
    patterns = state.patterns or []
    if operator not in ("|", ")", "(", "\n") or (operator == "\n" and words):
        state.patterns = None
        return False
    patterns += words
    if operator == ")" and state.conditions:
        subject = state.conditions[-1].partition(" in ")[0]
        state.conditions[-1] = f"{subject} in {_join(patterns, ' | ')}"
    state.patterns = None if operator == ")" else patterns
    return True


def _command(argv: tuple[str, ...], line: int, operator: str, state: _State) -> Command:
    is_condition = state.condition is not None
    if state.condition is not None:
        state.condition.append(_join(argv))
    return Command(
        argv=argv[1:] if argv[0] in ("command", "exec") and argv[1:2] != ("-v",) else argv,
        line=line,
        conditions=(*state.conditions[-_MAX_CONDITIONS:], *state.and_list),
        is_condition=is_condition,
        failure_handled=is_condition or operator == "||",
        follows_and=state.follows_and,
    )


def _take_keywords(words: list[str], state: _State) -> list[str]:
    """Return the words after leading keywords, and update the surrounding conditions."""
    rest = list(words)
    while rest and (rest[0] in _OPENING or rest[0] in _OTHER_KEYWORDS):
        keyword = rest.pop(0)
        if keyword in ("if", "elif", "while", "until"):
            state.condition = []
            if keyword == "elif" and state.conditions:
                state.conditions.pop()
        elif keyword in ("then", "do"):
            state.conditions.append(_join(state.condition or ["for"], " ; "))
            state.condition = None
        elif keyword == "else" and state.conditions:
            state.conditions[-1] = f"not: {state.conditions[-1]}"[:_MAX_CONDITION]
        elif keyword == "case":
            subject = _remove_quotes(rest[0]) if rest else ""
            state.conditions.append(f"case {subject} in ")
            state.patterns = []
            rest = rest[2:]
        elif keyword == "for":
            rest = []
        elif keyword in ("fi", "done", "esac"):
            state.conditions[-1:] = []
            state.patterns = None if keyword == "esac" else state.patterns
    return rest


def _split_at_operators(body: str, line: int) -> Iterator[tuple[list[str], int, str]]:
    """Yield the words before each operator, their line, and the operator; no redirections."""
    words: list[str] = []
    start = current = line
    for match in _TOKEN.finditer(body):
        kind, text = match.lastgroup, match[0]
        if kind == "word":
            start = start if words else current
            words.append(text)
        elif kind == "operator":
            yield words, start, text
            words = []
        current += text.count("\n")
    yield words, start, "\n"
