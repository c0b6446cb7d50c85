"""The program around the tasks: few core options, any number of paths, exit code 2 for misuse."""

from __future__ import annotations

import difflib
import itertools
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from invoke.collection import Collection
from invoke.completion.complete import print_completion_script
from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.program import Program
from invoke.tasks import Task

from kubeparcel.errors import KubeparcelError, UsageError
from kubeparcel.process import kill_all_processes
from kubeparcel.program_name import with_program_name

KEPT = {"complete", "debug", "help", "list", "list-depth", "list-format"} | {
    "print-completion-script",
    "version",
}
"""Invoke's own options that mean something here."""

LIST_FORMATS = ("flat", "nested", "json")

PATHS = "path"
"""The option that words without a dash are given to, where a task has it."""


class Documented(Task[Any]):
    """A task that still knows its options' help texts after it was asked for them once."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        kept = dict(self.help)
        try:
            return super().get_arguments(ignore_unknown_help)
        finally:
            self.help = kept


class Kubeparcel(Program):
    """Invoke's program, made to fit: see the module."""

    def core_args(self) -> list[Argument]:
        kept = [arg for arg in super().core_args() if KEPT & set(arg.names)]
        for arg in kept:
            if "debug" in arg.names:
                arg.help = "Show the traceback of an error."
        return kept

    def parse_core(self, argv: list[str] | None) -> None:
        self.normalize_argv(argv)
        self.parse_core_args()
        if self.args.version.value:
            self.print_version()
            raise Exit
        if self.args["print-completion-script"].value:
            shell = self.args["print-completion-script"].value
            print_completion_script(shell=shell, names=self.binary_names)
            raise Exit

    def task_args(self) -> list[Argument]:
        return []

    def update_config(self, merge: bool = True) -> None:
        if merge:
            self.config.merge()

    def run(self, argv: list[str] | None = None, exit: bool = True) -> None:  # noqa: A002 - Invoke's name
        words = list(sys.argv if argv is None else argv)
        words[0] = words[0].replace("__main__.py", "kubeparcel")
        if "--debug" in words or "-d" in words:
            words = [word for word in words if word not in ("--debug", "-d")]
            os.environ["KUBEPARCEL_DEBUG"] = "1"
        for one in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(one) is not signal.SIG_IGN:
                signal.signal(one, _stop)
        try:
            self.create_config()
            self._parse(spread(words, self.namespace or Collection()))
            self.execute()
        except (ParseError, UsageError) as error:
            said, known = plain(str(error)), _known(words, self.namespace or Collection())
            todo = f"{_nearest(said, known)}Options and their meaning: inv --help TASK"
            report_error(UsageError(said, todo), as_json="--json" in words)
            code = UsageError.exit_code
        except Exit as error:
            code = error.code
            if error.message:
                print(error.message, file=sys.stderr)
        else:
            code = 0
        if exit:
            sys.exit(code)

    def _parse(self, words: list[str]) -> None:
        try:
            self.parse_core(words)
            self.parse_collection()
            self.parse_tasks()
            if self.args["list-format"].value not in LIST_FORMATS:
                raise UsageError(f"--list-format is one of {', '.join(LIST_FORMATS)}.")
            self.parse_cleanup()
        except ValueError as error:  # Invoke reads only numbers so
            raise UsageError(f"{_before(words, error)} needs a number.") from None
        except Exit as error:
            if error.message:
                raise UsageError(error.message) from None
            raise
        self.update_config()


def plain(said: str) -> str:
    """What Invoke's parser says, without Python's names for things."""
    return re.sub(
        r"^Flag <Argument: ([\w-]+).*> needed value and was not given one!$",
        lambda found: f"--{found[1].replace('_', '-')} needs a value.",
        said.replace("No idea what", "There is no").replace(" is!", "."),
    )


def _before(words: Sequence[str], error: ValueError) -> str:
    """The option whose value Python could not read as a number."""
    value = str(error).rpartition(": ")[2].strip("'")
    for before, word in itertools.pairwise(words):
        if word == value:
            return before
        if word.endswith(f"={value}"):
            return word.partition("=")[0]
    return "An option"


def _known(words: Sequence[str], namespace: Collection) -> list[str]:
    """All that could have been meant: the tasks, and the options of those that were named."""
    contexts = {name: context for context in namespace.to_contexts() for name in _names(context)}
    options = [flag for word in words if word in contexts for flag in contexts[word].flags]
    return [*contexts, *options]


def _nearest(said: str, known: Sequence[str]) -> str:
    wrong = re.match(r"There is no '(.+)'", said)
    near = difflib.get_close_matches(wrong[1], known, 1) if wrong else []
    return f"Did you mean {near[0]}?\n" if near else ""


def spread(words: Sequence[str], namespace: Collection) -> list[str]:
    """`verify a.deb b.deb` as Invoke reads it: `verify --path a.deb --path b.deb`."""
    contexts = {name: context for context in namespace.to_contexts() for name in _names(context)}
    start = next((i for i, word in enumerate(words[1:], 1) if word in contexts), len(words))
    result = list(words[: start + 1])
    rest = iter(words[start + 1 :])
    context = contexts.get(words[start]) if start < len(words) else None
    takes_paths = context is not None and f"--{PATHS}" in context.flags
    for word in rest:
        if context is None or not takes_paths or word.startswith("-"):
            result.append(word)
            flag = context.flags.get(word) if context else None
            if flag is not None and flag.takes_value:
                with suppress(StopIteration):
                    result.append(next(rest))
        else:
            result += [f"--{PATHS}", word]
    return result


def _names(context: ParserContext) -> tuple[str, ...]:
    return (context.name or "", *context.aliases)


def _stop(_: int, __: FrameType | None) -> None:
    """Ctrl-C, and a CI system's SIGTERM: whoever waits for a program need not wait for its end."""
    kill_all_processes()
    raise KeyboardInterrupt


def report_error(error: KubeparcelError, *, as_json: bool = False) -> None:
    """Print an error: text to standard error, or a JSON document to standard output."""
    if os.environ.get("KUBEPARCEL_DEBUG"):
        traceback.print_exception(error)
    if as_json:
        document = {"error": error.message, "todo": error.hint, "exit": error.exit_code}
        print(json.dumps(document, indent=2))
    else:
        print(with_program_name(str(error)), file=sys.stderr)
