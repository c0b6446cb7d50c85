"""Makes click's parameters of options: what they accept, and what the shell completes."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from kubeparcel.cli.options import Option
from kubeparcel.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_REQUIRED = inspect.Parameter.empty


class ValueType(click.ParamType[Any]):
    """What an option accepts, and what the shell completes: its choices, or file names."""

    name = "value"

    def __init__(self, option: Option, kind: type) -> None:
        self.option, self.kind = option, kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | int:
        """Return the value; raises UsageError for an invalid number or choice."""
        if not (param and ctx and ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE):
            return cast("str | int", value)
        label = max(param.opts, key=len)
        flags = {flag for other in ctx.command.params for flag in other.opts}
        if str(value).startswith("-") and value in flags:
            raise UsageError(f"{label} needs a value: {self.option.help}.")
        if self.kind is int:
            return self._number(value, label)
        words = str(value).split(",") if self.option.several else [str(value)]
        if not all(word.strip() for word in words):
            empty = f"Empty value in {label} {value!r}." if any(map(str.strip, words)) else f"{label} is empty."
            default = "" if param.required else "\nOmit it to use the default. Is a shell variable unset?"
            raise UsageError(empty, f"Expected: {self.option.help}.{default}")
        return ",".join(self._choice(word.strip(), label) for word in words) if self.option.choices else str(value)

    def _number(self, value: str, label: str) -> int:
        minimum, maximum = self.option.limits
        try:
            number = int(value)
        except ValueError:
            number = minimum - 1
        if minimum <= number <= maximum:
            return number
        raise UsageError(f"Invalid {label} {value!r}: use a whole number from {minimum} to {maximum}.")

    def _choice(self, word: str, label: str) -> str:
        """Return the choice that a word names, if need be by another of its names."""
        choices = self.option.choices
        with suppress(ValueError):
            return choices[choices.index(type(choices[0])(word))]
        suggestion = did_you_mean(word.lower(), choices, quote="'")
        alternatives = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) > 1 else choices[0]
        raise UsageError(f"Invalid {label} {word!r}: use {alternatives}.{suggestion}")

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the option's values; after a comma those that are not in the list yet."""
        from click.shell_completion import CompletionItem

        values = tuple(self.option.choices or self.option.completions())
        if not values and isinstance(param, click.Argument) and param.metavar == "[VERSION]":
            return ctx.command.shell_complete(ctx, incomplete)  # versions are not known, options are
        if not values:
            return [CompletionItem(incomplete, type="file")]
        start, comma, _ = incomplete.rpartition(",") if self.option.several else ("", "", "")
        words = [start + comma + value for value in values if value not in start.split(",")]
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def click_parameter(name: str, kind: type, default: Any, option: Option, **settings: Any) -> click.Parameter:
    """Return click's parameter for an option; `kind` is str, int, bool or list."""
    settings["help"] = option.help + (f" [default: {option.default}]" if option.default else "")
    settings["metavar"] = option.value + (",..." if option.several else "")
    required = default is _REQUIRED and kind is not list
    if not required:
        settings["default"] = [] if kind is list else default
    if kind is not bool:
        settings["type"] = ValueType(option, kind)
    if option.positional:
        metavar = option.value + (" ..." if kind is list else "")
        settings["metavar"] = metavar if required else f"[{metavar}]"
        settings["nargs"] = -1 if kind is list else 1
        return click.Argument([name], required=required, **settings)
    long = f"--{option_name(name)}"
    flags = [long[1:], long] if len(long) == 3 else [*filter(None, [option.short]), long]
    return click.Option([name, *flags], is_flag=kind is bool, **settings)


def option_name(name: str) -> str:
    """Return a parameter's option; `from_` and `json_` have an underscore for Python's sake."""
    return name.strip("_").replace("_", "-")
