"""The program: help, lists and completion, or the tasks of the command line one after another."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import FrameType

from kubeparcel import __version__
from kubeparcel.cli import completion, help_text
from kubeparcel.cli.command_line import CommandLine, unknown
from kubeparcel.cli.output import DEBUG, exit_code, print_result
from kubeparcel.cli.task import CommandTask
from kubeparcel.process import kill_all_processes
from kubeparcel.program_name import program_name


def run(words: Sequence[str], tasks: Mapping[str, CommandTask]) -> int:
    """Run a command line without the program's name; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    if words[:1] == ["--complete"]:
        print_result("\n".join(completion.complete(words[2:], tasks)))
        return 0
    return exit_code(lambda: _run(words, tasks), as_json="--json" in words)


def _run(words: Sequence[str], tasks: Mapping[str, CommandTask]) -> int:
    if not words or words[0] == "help" or {"--help", "-h"} & set(words):
        return _print_help(words, tasks)
    line = CommandLine.parse(words, tasks)
    if line.values["debug"]:
        os.environ[DEBUG] = "1"
    if text := _information(line, tasks):
        print_result(text)
        return 0
    for call in line.calls:
        if code := call.task.run(call.values):
            return code
    return 0


def _information(line: CommandLine, tasks: Mapping[str, CommandTask]) -> str:
    """Return the text that the program's options ask for, instead of running tasks."""
    if line.values["version"]:
        return f"kubeparcel {__version__}"
    if shell := line.values["print_completion_script"]:
        # The shell completes ./inv by the name inv.
        return completion.completion_script(shell, PurePath(program_name()).name)
    if line.values["list"]:
        return help_text.task_list(tasks, line.values["list_format"])
    return "" if line.calls else help_text.program_help(tasks)


def _print_help(words: Sequence[str], tasks: Mapping[str, CommandTask]) -> int:
    """Print the help of the first task among the words, or of the program."""
    names = [word for word in words if not word.startswith("-")]
    if names[:1] == ["help"]:
        del names[0]
    if names and names[0] not in tasks:
        raise unknown("task", names[0], tasks, "Tasks: inv --list")
    print_result(help_text.task_help(tasks[names[0]]) if names else help_text.program_help(tasks))
    return 0


def _interrupt(_: int, __: FrameType | None) -> None:
    """End child processes at once, so that no thread waits for them, and interrupt the task."""
    kill_all_processes()
    raise KeyboardInterrupt
