"""Makes a task of a function: its parameters become options, its errors exit codes."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from kubeparcel.cli.options import OPTIONS, Option
from kubeparcel.cli.output import exit_code
from kubeparcel.errors import UsageError

Example = tuple[str, str]
"""A command without the program's name, and what it does."""


@dataclass(frozen=True)
class Parameter:
    """An option of one task. `kind` is str, int, bool or list; `name` is Python's name."""

    name: str
    kind: type
    default: Any
    option: Option

    @property
    def option_name(self) -> str:
        """The name without dashes in front: `dry-run`."""
        return _option_name(self.name)

    @property
    def flag(self) -> str:
        """The usual spelling: `--dry-run`, or `-k` for a single letter."""
        return f"--{self.option_name}" if len(self.option_name) > 1 else f"-{self.option_name}"

    @property
    def flags(self) -> tuple[str, ...]:
        """All spellings."""
        short = (self.option.short,) if self.option.short else ()
        return tuple(dict.fromkeys((self.flag, f"--{self.option_name}", *short)))

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is inspect.Parameter.empty and self.kind is not list

    def parse(self, text: str) -> str | int:
        """Return the value that a word stands for; raises UsageError for an invalid number."""
        if self.kind is not int:
            return text
        try:
            return int(text)
        except ValueError:
            raise UsageError(f"Invalid {self.flag} {text!r}: use a whole number.") from None

    def check(self, value: Any) -> None:
        """Raise UsageError for a value that is not one of the choices."""
        option = self.option
        if not option.choices or not value:
            return
        for word in str(value).split(",") if option.several else [str(value)]:
            if word.strip() not in option.choices:
                *first, last = option.choices
                label = self.option_name if option.positional else self.flag
                raise UsageError(f"Invalid {label} {word!r}: use {', '.join(first)} or {last}.")


class CommandTask:
    """A task with its help group, options and examples."""

    def __init__(
        self,
        function: Callable[..., int | None],
        group: str,
        examples: Sequence[Example],
        options: Mapping[str, Option],
    ) -> None:
        self.function = function
        self.group = group
        self.examples = tuple(examples)
        self.summary, _, details = inspect.cleandoc(function.__doc__ or "").partition("\n")
        self.details = details.strip()
        self._groups: dict[str, type] = {}
        self.parameters = tuple(self._read_parameters({**OPTIONS, **options}))

    @property
    def name(self) -> str:
        """The word that users type."""
        return self.function.__name__

    @property
    def positional_parameters(self) -> tuple[Parameter, ...]:
        """Parameters that take words without an option's name."""
        return tuple(p for p in self.parameters if p.option.positional)

    def run(self, values: Mapping[str, Any]) -> int:
        """Run the function with these options and defaults for others; return the exit code."""
        return exit_code(lambda: self._call(values), as_json=bool(values.get("json_")))

    def _call(self, values: Mapping[str, Any]) -> int | None:
        for parameter in self.parameters:
            parameter.check(values.get(parameter.name))
        arguments = {**{p.name: [] for p in self.parameters if p.kind is list}, **values}
        for name, group in self._groups.items():
            members = [member.name for member in fields(group)]
            arguments[name] = group(**{m: arguments.pop(m) for m in members if m in arguments})
        return self.function(**arguments)

    def _read_parameters(self, options: Mapping[str, Option]) -> Iterator[Parameter]:
        """Yield the function's parameters; those of option groups one by one."""
        for parameter in inspect.signature(self.function, eval_str=True).parameters.values():
            if is_dataclass(parameter.annotation) and isinstance(parameter.annotation, type):
                self._groups[parameter.name] = parameter.annotation
                types = typing.get_type_hints(parameter.annotation)
                members = [(f.name, types[f.name], f.default) for f in fields(parameter.annotation)]
            else:
                members = [(parameter.name, parameter.annotation, parameter.default)]
            for name, annotation, default in members:
                kind = typing.get_origin(annotation) or annotation
                yield Parameter(name, kind, default, options[_option_name(name)])


def _option_name(name: str) -> str:
    """Return a parameter's option; `from_` and `json_` have an underscore for Python's sake."""
    return name.strip("_").replace("_", "-")


def task(
    group: str, /, *examples: Example, **options: Option
) -> Callable[[Callable[..., int | None]], CommandTask]:
    """Make a function a task of a help group.

    The first line of its docstring is the summary. Its parameters are options of the table
    `OPTIONS`, or of `options` where the task has its own meaning for one. A parameter whose type is
    a dataclass is an option group: each field is an option.
    """

    def decorate(function: Callable[..., int | None]) -> CommandTask:
        return CommandTask(
            function,
            group,
            examples,
            {_option_name(name): option for name, option in options.items()},
        )

    return decorate
