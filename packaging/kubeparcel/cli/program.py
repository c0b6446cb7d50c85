"""The program: a click group of tasks, with their list, help and completion."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from types import FrameType

import click

from kubeparcel import __version__, journal
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import exit_code, prepare_streams, print_result
from kubeparcel.cli.parameters import click_parameter
from kubeparcel.cli.task import COMMON_PARAMETERS, CommandTask, usage_errors
from kubeparcel.interrupts import handle_interrupts
from kubeparcel.process import kill_all_processes
from kubeparcel.program_name import COMPLETION_VARIABLE, program_name

GROUPS = ("Configure", "Build", "Verify", "Repository", "Keys", "Develop")
"""The order of groups in the list of tasks."""

DESCRIPTION = "Turn a Kubernetes version into DEB and RPM packages, verify and publish them."
SHELLS = ("bash", "zsh", "fish")
LIST_FORMATS = ("flat", "nested", "json")

PARAMETERS = [
    click_parameter("list", bool, False, Option("list the tasks", short="-l")),
    click_parameter(
        "list_format",
        str,
        "nested",
        Option("flat, nested (in groups) or json", "FORMAT", "nested", LIST_FORMATS, short="-F"),
    ),
    click_parameter(
        "list_depth", int, 0, Option("accepted for compatibility with Invoke; tasks have one level", "N", short="-D")
    ),
    click_parameter("version", bool, False, Option("print the version", short="-V")),
    click_parameter(
        "print_completion_script",
        str,
        "",
        Option("print a completion script for bash, zsh or fish", "SHELL", choices=SHELLS),
    ),
    *COMMON_PARAMETERS,
]


class Program(click.Group):
    """The tasks as commands of one program."""

    def __init__(self, tasks: Mapping[str, CommandTask]) -> None:
        self.tasks = tasks
        super().__init__(
            commands=dict(tasks),
            params=PARAMETERS,
            callback=self._inform,
            invoke_without_command=True,
            add_help_option=False,
            help=DESCRIPTION,
            epilog=f"Help for a task, with examples: {program_name()} TASK --help",
            options_metavar=None,
            subcommand_metavar="TASK [OPTION ...]",
            context_settings={"terminal_width": 80},
        )

    def grouped(self) -> dict[str, list[CommandTask]]:
        """Return the tasks by group, both in the order of help."""
        tasks = self.tasks.values()
        members = {group: [task for task in tasks if task.group == group] for group in GROUPS}
        return {group: group_tasks for group, group_tasks in members.items() if group_tasks}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.tasks)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before the task; `help TASK` and `--help TASK` are `TASK --help`."""
        if args and args[0] in ("help", "--help", "-h"):
            args = [*args[1:], "--help"]
        with usage_errors(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the task that the first word names; raises UsageError."""
        with usage_errors(ctx):
            return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.tasks))
        for group, tasks in self.grouped().items():
            with formatter.section(group):
                formatter.write_dl([(f"{task.name:<{width}}", task.summary) for task in tasks])

    def _inform(
        self,
        list: bool,  # noqa: A002  # the option's name
        list_format: str,
        list_depth: int,
        version: bool,
        print_completion_script: str,
    ) -> None:
        """Print what the program's options ask for, instead of running a task."""
        context = click.get_current_context()
        if version:
            print_result(f"kubeparcel {__version__}")
        elif print_completion_script:
            from kubeparcel.cli import completion

            completion.respond(self, f"{print_completion_script}_source")
        elif list:
            print_result(self._task_list(context, list_format))
        elif context.invoked_subcommand:
            return
        else:
            print_result(context.get_help())
        context.exit()

    def _task_list(self, context: click.Context, list_format: str) -> str:
        tasks = sorted(self.tasks.items())
        if list_format == "json":  # the keys of Invoke's own JSON list, and each task's group
            entries = [{"name": name, "help": task.summary, "aliases": [], "group": task.group} for name, task in tasks]
            document = {"name": None, "help": DESCRIPTION, "default": None, "tasks": entries}
            return json.dumps({**document, "collections": []}, indent=2)
        formatter = context.make_formatter()
        if list_format == "flat":
            formatter.write_dl([(name, task.summary) for name, task in tasks])
        else:
            self.format_commands(context, formatter)
        return formatter.getvalue().rstrip("\n")


def run(words: Sequence[str], tasks: Mapping[str, CommandTask]) -> int:
    """Run a command line without the program's name; return the exit code."""
    handle_interrupts(_interrupt)
    prepare_streams()
    journal.start()
    program = Program(tasks)
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from kubeparcel.cli import completion

        return completion.respond(program, instruction)
    return exit_code(lambda: _run(program, words), as_json="--json" in words)


def _run(program: Program, words: Sequence[str]) -> int:
    try:
        with program.make_context(program_name(), list(words)) as context:
            return int(program.invoke(context))
    except click.exceptions.Exit as information:
        return information.exit_code


def _interrupt(_: int, __: FrameType | None) -> None:
    """End child processes at once, so that no thread waits for them, and interrupt the task."""
    kill_all_processes()
    raise KeyboardInterrupt
