"""Help texts: the list of tasks, and the help of the program and of each task, in 80 columns."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping

from kubeparcel.cli.command_line import PROGRAM_PARAMETERS
from kubeparcel.cli.task import CommandTask, Parameter
from kubeparcel.program_name import program_name, with_program_name

GROUPS = ("Configure", "Build", "Verify", "Repository", "Keys", "Develop")
"""The order of groups in the list of tasks."""

DESCRIPTION = "Turn a Kubernetes version into DEB and RPM packages, verify and publish them."

_WIDTH = 80
_COLUMN = 26


def program_help(tasks: Mapping[str, CommandTask]) -> str:
    """Return the help of the program: usage, tasks in groups, the program's options."""
    name = program_name()
    return "\n".join(
        [
            f"Usage: {name} TASK [OPTION ...]",
            "",
            DESCRIPTION,
            "",
            task_list(tasks, "nested"),
            "",
            "Options:",
            *_option_lines(PROGRAM_PARAMETERS),
            "",
            f"Help for a task, with examples: {name} TASK --help",
        ]
    )


def task_help(task: CommandTask) -> str:
    """Return the help of a task: usage, description, options, examples."""
    lines = [f"Usage: {program_name()} {usage(task)}", "", *_wrap(task.summary)]
    if task.details:
        paragraphs = [" ".join(text.split()) for text in task.details.split("\n\n")]
        lines += ["", *(line for text in paragraphs for line in _wrap(text))]
    lines += ["", "Options:", *_option_lines(task.parameters)] if task.parameters else []
    lines += ["", "Examples:"]
    for command, meaning in task.examples:
        lines += [f"  {program_name()} {command}", *_wrap(meaning, "      ")]
    return "\n".join(lines)


def usage(task: CommandTask) -> str:
    """Return how a task is written: `key ACTION [OPTION ...]`."""
    words = [task.name]
    for parameter in task.positional_parameters:
        word = f"{parameter.option.value} ..." if parameter.kind is list else parameter.option.value
        words.append(word if parameter.required else f"[{word}]")
    return " ".join([*words, "[OPTION ...]"])


def task_list(tasks: Mapping[str, CommandTask], list_format: str) -> str:
    """Return the list of tasks: flat, in groups (nested) or as JSON."""
    if list_format == "json":
        return _task_list_json(tasks)
    width = max(map(len, tasks)) + 2
    lines = {name: f"  {name:<{width}}{task.summary}" for name, task in sorted(tasks.items())}
    if list_format == "flat":
        return "\n".join(line.strip() for line in lines.values())
    blocks = [
        "\n".join([group, *(lines[task.name] for task in members)])
        for group, members in grouped(tasks).items()
    ]
    return "\n\n".join(blocks)


def grouped(tasks: Mapping[str, CommandTask]) -> dict[str, list[CommandTask]]:
    """Return the tasks by group, both in the order of help."""
    members = {group: [task for task in tasks.values() if task.group == group] for group in GROUPS}
    return {group: group_tasks for group, group_tasks in members.items() if group_tasks}


def _task_list_json(tasks: Mapping[str, CommandTask]) -> str:
    """Return the list with the keys of Invoke's own JSON list, and each task's group."""
    entries = [
        {"name": name, "help": task.summary, "aliases": [], "group": task.group}
        for name, task in sorted(tasks.items())
    ]
    document = {
        "name": None,
        "help": DESCRIPTION,
        "default": None,
        "tasks": entries,
        "collections": [],
    }
    return json.dumps(document, indent=2)


def option_label(parameter: Parameter) -> str:
    """Return an option as it is written: `-h, --help`, `--arch ARCH[,...]` or `PATH`."""
    option = parameter.option
    if option.positional:
        return f"{option.value} ..." if parameter.kind is list else option.value
    value = "" if parameter.kind is bool else f" {option.value}{',...' if option.several else ''}"
    return ", ".join(sorted({parameter.flag, *parameter.flags}, key=len)) + value


def option_text(parameter: Parameter) -> str:
    """Return an option's help with its default."""
    default = f" [default: {parameter.option.default}]" if parameter.option.default else ""
    return with_program_name(parameter.option.help + default)


def _option_lines(parameters: Iterable[Parameter]) -> Iterable[str]:
    for parameter in parameters:
        label = f"  {option_label(parameter)}"
        lines = textwrap.wrap(option_text(parameter), _WIDTH - _COLUMN, break_on_hyphens=False)
        if len(label) > _COLUMN - 2:
            yield label
            label = ""
        yield f"{label:<{_COLUMN}}{lines[0]}"
        yield from (" " * _COLUMN + line for line in lines[1:])


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
