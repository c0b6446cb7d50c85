"""The tasks as a collection of Invoke's, for `inv` in a checkout.

Only Invoke's own program imports this: importing Invoke takes longer than a task's start.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import click
from click.core import ParameterSource
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

from kubeparcel.cli.output import exit_code
from kubeparcel.cli.parameters import option_name
from kubeparcel.cli.task import CommandTask


def invoke_collection(tasks: Iterable[CommandTask]) -> Collection:
    """Return a collection of these tasks."""
    return Collection(*map(_invoke_task, tasks))


def _invoke_task(task: CommandTask) -> Task[Any]:
    def run(values: dict[str, Any]) -> int:
        context = click.Context(task)
        return task.run({p.name: _process(p, context, values[p.name]) for p in task.params})

    def body(_: Context, **values: Any) -> None:
        if code := exit_code(lambda: run(values), as_json=bool(values.get("json_"))):
            raise Exit(code=code)

    options = [
        inspect.Parameter(
            p.name, inspect.Parameter.KEYWORD_ONLY, default=inspect.Parameter.empty if p.required else _default(p)
        )
        for p in task.params
    ]
    first = inspect.Parameter("_", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    body.__name__, body.__doc__ = task.name, task.help
    body.__signature__ = inspect.Signature([first, *options])  # type: ignore[attr-defined]  # Invoke reads it
    return Task(
        body,
        auto_shortflags=False,
        help={option_name(p.name): p.help or "" for p in task.params},
        iterable=[p.name for p in task.params if p.nargs == -1],
        positional=[p.name for p in task.params if p.required],
    )


def _default(parameter: click.Parameter) -> object:
    """Return None for an option with a value, so that an empty value differs from none."""
    return parameter.default if isinstance(parameter.default, bool | list) else None


def _process(parameter: click.Parameter, context: click.Context, value: Any) -> object:
    if value is None:
        return parameter.default
    context.set_parameter_source(str(parameter.name), ParameterSource.COMMANDLINE)
    return parameter.process_value(context, value)
