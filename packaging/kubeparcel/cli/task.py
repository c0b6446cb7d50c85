"""Makes a click command of a function: its parameters become options, its docstring the help."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from kubeparcel import journal
from kubeparcel.cli.environment import apply_environment
from kubeparcel.cli.options import OPTIONS, Option
from kubeparcel.cli.output import DEBUG, print_result
from kubeparcel.cli.parameters import click_parameter, option_name
from kubeparcel.console import print_message
from kubeparcel.errors import UsageError
from kubeparcel.program_name import program_name

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Example = tuple[str, str]
"""A command without the program's name, and what it does."""


def _print_help(context: click.Context, _: click.Parameter, given: bool) -> None:
    if given and not context.resilient_parsing:
        print_result(context.get_help())
        context.exit()


def _debug(_: click.Context, __: click.Parameter, given: bool) -> None:
    if given:
        os.environ[DEBUG] = "1"


def _verbose(_: click.Context, __: click.Parameter, given: bool) -> None:
    if given:
        journal.listeners[:] = [print_message]


COMMON_PARAMETERS = [
    click_parameter(name, bool, False, option, callback=callback, expose_value=False, is_eager=True)
    for name, option, callback in (
        ("verbose", Option("print each command that ran, with its exit code and duration"), _verbose),
        ("debug", Option("print the traceback of an error", short="-d"), _debug),
        ("help", Option("print this help", short="-h"), _print_help),
    )
]
"""Options of the program and of every task."""


@contextmanager
def usage_errors(context: click.Context) -> Iterator[None]:
    """Raise click's errors about the command line as UsageError, in the program's words."""
    hint = f"Options: {context.command_path} --help"
    try:
        yield
    except click.NoSuchCommand as error:
        message = _unknown("task", error.command_name, error.possibilities)
        raise UsageError(message, "Tasks: inv --list") from error
    except click.NoSuchOption as error:
        message = _unknown("option", error.option_name, error.possibilities)
        raise UsageError(message, hint) from error
    except click.BadOptionUsage as error:
        parameters = context.command.get_params(context)
        option = next(p for p in parameters if error.option_name in p.opts)
        needed = f"needs a value: {option.help}" if option.metavar else "takes no value"
        raise UsageError(f"{error.option_name} {needed}.") from error
    except click.MissingParameter as error:
        parameter = error.param
        raise UsageError(
            f"Missing {parameter.metavar}: {parameter.help}." if parameter else str(error), hint
        ) from error


def _unknown(kind: str, word: str, nearest: Sequence[str] | None) -> str:
    suggestion = f" Did you mean {nearest[0]!r}?" if nearest else ""
    return f"Unknown {kind} {word!r}.{suggestion}"


class CommandTask(click.Command):
    """A task: a click command with a help group and examples."""

    name: str
    allow_extra_args = True  # parse_args reports them

    def __init__(
        self,
        function: Callable[..., int | None],
        group: str,
        examples: Sequence[Example],
        options: Mapping[str, Option],
    ) -> None:
        self.group = group
        self.examples = tuple(examples)
        self._function = function
        self._option_groups: dict[str, type] = {}
        super().__init__(
            function.__name__.rstrip("_"),
            help=inspect.getdoc(function),
            params=list(self._read_parameters({**OPTIONS, **options})),
            options_metavar="[OPTION ...]",
            add_help_option=False,
        )
        self.summary, _, details = (self.help or "").partition("\n")
        self.short_help, self.details = self.summary, details.strip()

    def run(self, values: Mapping[str, Any]) -> int:
        """Run the function with these options and return the exit code."""
        apply_environment()
        arguments = dict(values)
        for name, group in self._option_groups.items():
            arguments[name] = group(**{f.name: arguments.pop(f.name) for f in fields(group)})
        return self._function(**arguments) or 0

    def _read_parameters(self, options: Mapping[str, Option]) -> Iterator[click.Parameter]:
        """Yield the function's parameters; those of option groups one by one."""
        for parameter in inspect.signature(self._function, eval_str=True).parameters.values():
            members = [(parameter.name, parameter.annotation, parameter.default)]
            if is_dataclass(parameter.annotation) and isinstance(parameter.annotation, type):
                self._option_groups[parameter.name] = parameter.annotation
                types = typing.get_type_hints(parameter.annotation)
                members = [(f.name, types[f.name], f.default) for f in fields(parameter.annotation)]
            for name, annotation, default in members:
                kind = typing.get_origin(annotation) or annotation
                yield click_parameter(name, kind, default, options[option_name(name)])

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*self.params, *COMMON_PARAMETERS]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words after the task; raises UsageError."""
        # Invoke takes paths as options, so `--path PATH` is accepted for PATH.
        names = {f"--{p.name}" for p in self.params if isinstance(p, click.Argument)}
        with usage_errors(ctx):
            extra = super().parse_args(ctx, [word for word in args if word not in names])
        if extra and not ctx.resilient_parsing:
            hint = f"Options: {ctx.command_path} --help"
            raise UsageError(f"Unexpected argument {extra[0]!r} for {self.name}.", hint)
        return extra

    def invoke(self, ctx: click.Context) -> int:
        return self.run(ctx.params)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for command, meaning in self.examples:
                formatter.write(f"  {program_name()} {command}\n")
                with formatter.indentation(), formatter.indentation():
                    formatter.write_text(meaning)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the task's options, also for an empty word."""
        return super().shell_complete(ctx, incomplete or "-")


def task(group: str, /, *examples: Example, **options: Option) -> Callable[[Callable[..., int | None]], CommandTask]:
    """Make a function a task of a help group.

    The first line of its docstring is the summary. Its parameters are options of the table
    `OPTIONS`, or of `options` where the task has its own meaning for one. A parameter whose type is
    a dataclass is an option group: each field is an option.
    """
    own = {option_name(name): option for name, option in options.items()}
    return lambda function: CommandTask(function, group, examples, own)
