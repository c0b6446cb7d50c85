"""The tasks as a collection of Invoke's, for `inv` in a checkout.

Only Invoke's own program imports this: importing Invoke takes longer than a task's start.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

from kubeparcel.cli.task import CommandTask


def invoke_collection(tasks: Iterable[CommandTask]) -> Collection:
    """Return a collection of these tasks."""
    return Collection(*map(_invoke_task, tasks))


def _invoke_task(task: CommandTask) -> Task[Any]:
    def body(_: Context, **values: Any) -> None:
        if code := task.run(values):
            raise Exit(code=code)

    context = inspect.Parameter("_", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    options = [
        inspect.Parameter(p.name, inspect.Parameter.KEYWORD_ONLY, default=p.default)
        for p in task.parameters
    ]
    body.__name__, body.__doc__ = task.name, f"{task.summary}\n\n{task.details}"
    body.__signature__ = inspect.Signature([context, *options])  # type: ignore[attr-defined]  # Invoke reads it
    return Task(
        body,
        auto_shortflags=False,
        help={p.option_name: p.option.help for p in task.parameters},
        iterable=[p.name for p in task.parameters if p.kind is list],
        positional=[p.name for p in task.parameters if p.required],
    )
