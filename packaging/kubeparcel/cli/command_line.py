"""Parses the command line: the program's options, tasks, and each task's options."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeparcel.cli.options import Option
from kubeparcel.cli.task import CommandTask, Parameter
from kubeparcel.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
LIST_FORMATS = ("flat", "nested", "json")

PROGRAM_PARAMETERS = (
    Parameter("help", bool, False, Option("print help for the program or a task", short="-h")),
    Parameter("list", bool, False, Option("list the tasks", short="-l")),
    Parameter(
        "list_format",
        str,
        "nested",
        Option("flat, nested (in groups) or json", "FORMAT", "nested", LIST_FORMATS, short="-F"),
    ),
    Parameter(
        "list_depth",
        int,
        0,
        Option("accepted for compatibility with Invoke; tasks have one level", "N", short="-D"),
    ),
    Parameter("version", bool, False, Option("print the version", short="-V")),
    Parameter("debug", bool, False, Option("print the traceback of an error", short="-d")),
    Parameter(
        "print_completion_script",
        str,
        "",
        Option("print a completion script for bash, zsh or fish", "SHELL", choices=SHELLS),
    ),
)


@dataclass
class Call:
    """A task and the options given to it, by Python's names."""

    task: CommandTask
    values: dict[str, Any] = field(default_factory=dict)


class CommandLine:
    """What the user typed, read word by word with `add`; `finish` checks that it is complete.

    `values` are the program's options. `pending` is an option whose value has not come yet.
    """

    def __init__(self, tasks: Mapping[str, CommandTask]) -> None:
        self.tasks = tasks
        self.values: dict[str, Any] = {p.name: p.default for p in PROGRAM_PARAMETERS}
        self.calls: list[Call] = []
        self.pending: Parameter | None = None

    @classmethod
    def parse(cls, words: Iterable[str], tasks: Mapping[str, CommandTask]) -> CommandLine:
        """Read all words; raises UsageError naming the wrong one and the nearest right one."""
        line = cls(tasks)
        for word in words:
            line.add(word)
        line.finish()
        return line

    @property
    def task(self) -> CommandTask | None:
        """The task that further options belong to."""
        return self.calls[-1].task if self.calls else None

    @property
    def parameters(self) -> dict[str, Parameter]:
        """All flags that may come now."""
        known = [*PROGRAM_PARAMETERS, *(self.task.parameters if self.task else ())]
        return {flag: parameter for parameter in known for flag in parameter.flags}

    @property
    def positional(self) -> Parameter | None:
        """The positional option that takes the next word without a flag."""
        for parameter in self.task.positional_parameters if self.task else ():
            if parameter.kind is list or parameter.name not in self.calls[-1].values:
                return parameter
        return None

    def add(self, word: str) -> None:
        """Read one word; raises UsageError."""
        if self.pending and word not in self.parameters:
            parameter, self.pending = self.pending, None
            self._set(parameter, parameter.parse(word))
        elif self.pending:
            raise _missing_value(self.pending)
        elif word.startswith("-") and len(word) > 1:
            self._add_flag(word)
        elif self.positional:
            self._set(self.positional, self.positional.parse(word))
        elif word in self.tasks:
            self._check_required()
            self.calls.append(Call(self.tasks[word]))
        elif self.task:
            raise UsageError(f"Unexpected argument {word!r} for {self.task.name}.", self._hint())
        else:
            raise unknown("task", word, self.tasks, "Tasks: inv --list")

    def finish(self) -> None:
        """Raise UsageError if a value is missing."""
        if self.pending:
            raise _missing_value(self.pending)
        self._check_required()

    def _add_flag(self, word: str) -> None:
        flag, equals, text = word.partition("=")
        parameter = self.parameters.get(flag)
        if parameter is None:
            raise unknown("option", flag, self.parameters, self._hint())
        if parameter.kind is not bool:
            if equals:
                self._set(parameter, parameter.parse(text))
            else:
                self.pending = parameter
        elif equals:
            raise UsageError(f"{flag} takes no value.")
        else:
            self._set(parameter, value=True)

    def _set(self, parameter: Parameter, value: str | int | bool) -> None:
        if parameter in PROGRAM_PARAMETERS:
            parameter.check(value)
            self.values[parameter.name] = value
        elif parameter.kind is list:
            self.calls[-1].values.setdefault(parameter.name, []).append(value)
        else:
            self.calls[-1].values[parameter.name] = value

    def _check_required(self) -> None:
        for parameter in self.task.parameters if self.task else ():
            if parameter.required and parameter.name not in self.calls[-1].values:
                choices = f": {parameter.option.help}" if parameter.option.choices else ""
                raise UsageError(f"Missing {parameter.option.value}{choices}.", self._hint())

    def _hint(self) -> str:
        if self.task:
            return f"Options: inv {self.task.name} --help"
        return "Options: inv --help"


def unknown(kind: str, word: str, known: Iterable[str], hint: str) -> UsageError:
    """Return the error for an unknown task or option, with the nearest known one."""
    nearest = difflib.get_close_matches(word, list(known), 1)
    suggestion = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return UsageError(f"Unknown {kind} {word!r}.{suggestion}", hint)


def _missing_value(parameter: Parameter) -> UsageError:
    return UsageError(f"{parameter.flag} needs a value: {parameter.option.help}.")
