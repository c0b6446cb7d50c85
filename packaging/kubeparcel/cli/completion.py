"""Shell completion of tasks, options and option values.

The scripts run `PROGRAM --complete -- WORD ...`, where the last word is the one being typed; it may
be empty. Each line of the answer is a candidate, a tab and its description. Without candidates the
shell completes file names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from kubeparcel.cli.command_line import CommandLine
from kubeparcel.cli.task import CommandTask, Parameter
from kubeparcel.errors import UsageError


def completion_script(shell: str, name: str) -> str:
    """Return the script that makes bash, zsh or fish complete the program called `name`."""
    from kubeparcel import templates

    return templates.render(f"completion/{shell}", {"name": name})


def complete(words: Sequence[str], tasks: Mapping[str, CommandTask]) -> list[str]:
    """Return the candidates for the last of these words, each with its description."""
    *before, current = words or [""]
    line = CommandLine(tasks)
    for word in before[1:] if before[:1] == ["help"] else before:
        with suppress(UsageError):
            line.add(word)
    candidates = dict(_candidates(line, current))
    return [f"{word}\t{text}" for word, text in candidates.items() if word.startswith(current)]


def _candidates(line: CommandLine, current: str) -> Iterator[tuple[str, str]]:
    flag, equals, text = current.partition("=")
    if line.pending:
        yield from _values(line.pending, current)
    elif equals and flag in line.parameters:
        for word, meaning in _values(line.parameters[flag], text):
            yield f"{flag}={word}", meaning
    elif line.positional and not current.startswith("-"):
        yield from _values(line.positional, current)
    elif line.task or current.startswith("-"):
        parameters = line.task.parameters if line.task else line.parameters.values()
        for parameter in parameters:
            if not parameter.option.positional:
                yield parameter.flag, parameter.option.help
    else:
        for name, task in line.tasks.items():
            yield name, task.summary


def _values(parameter: Parameter, current: str) -> Iterator[tuple[str, str]]:
    """Yield an option's values; after a comma those that are not in the list yet."""
    option = parameter.option
    start, comma, _ = current.rpartition(",") if option.several else ("", "", "")
    for value in option.choices or option.completions():
        if value not in start.split(","):
            yield f"{start}{comma}{value}", ""
