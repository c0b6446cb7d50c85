"""Results and errors as text or JSON, with exit codes."""

from __future__ import annotations

import io
import json
import os
import platform
import shlex
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kubeparcel import __version__, journal
from kubeparcel.console import discard_output, print_message
from kubeparcel.errors import DiskError, KubeparcelError, UsageError
from kubeparcel.paths import display_path
from kubeparcel.program_name import with_program_name
from kubeparcel.sanitize import for_terminal

DEBUG = "KUBEPARCEL_DEBUG"
INTERRUPTED = 130


class OutputError(DiskError):
    """The result could not be written to standard output."""


def print_result(text: str) -> None:
    """Print a result to standard output; a closed pipe (`| head -1`) is not an error. Raises OutputError."""
    try:
        print(for_terminal(with_program_name(text)), flush=True)
    except BrokenPipeError:
        discard_output(sys.stdout)
    except OSError as error:
        discard_output(sys.stdout)
        raise OutputError(f"Standard output: {error.strerror}.", "The result could not be printed.") from error


def prepare_streams() -> None:
    """Open closed standard streams (`>&-`), and replace characters that their encoding cannot represent."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  # until the end
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def confirm(question: str, *, yes: bool) -> None:
    """Ask a question at the terminal, unless `yes`. Raises UsageError for any answer but yes, or without a terminal."""
    if yes:
        return
    statement = question.removesuffix("?")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{statement}: this needs confirmation; nothing was changed.", "Pass --yes to confirm.")
    print(f"{for_terminal(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(f"{statement}: not confirmed; nothing was changed.")


def report_error(error: KubeparcelError, *, as_json: bool = False) -> None:
    """Print an error: text to standard error, or a JSON document to standard output."""
    if os.environ.get(DEBUG):
        print_message("".join(traceback.format_exception(error)).rstrip())
    if as_json and not isinstance(error, OutputError):
        document = {"error": error.message, "hint": error.hint, "exit": error.exit_code}
        with suppress(OutputError):
            print_result(json.dumps(document, indent=2))
            return
    print_message(with_program_name(str(error)))


def exit_code(work: Callable[[], int | None], *, as_json: bool = False) -> int:
    """Run `work` and return its exit code; expected errors are reported, bugs are raised.

    A failure leaves a log file in the output folder, unless it is wrong usage.
    """
    try:
        code = work() or 0
    except KubeparcelError as error:
        report_error(error, as_json=as_json)
        code = error.exit_code
        _finish_log(code, traceback.format_exc())
    except OSError as error:
        failure = DiskError(f"{error.filename or _place()}: {error.strerror or error}.")
        failure.__cause__ = error
        report_error(failure, as_json=as_json)
        code = failure.exit_code
        _finish_log(code, traceback.format_exc())
    except KeyboardInterrupt:
        print_message("\nInterrupted. No partial files were left; run the command again to continue.")
        return INTERRUPTED
    except Exception:
        _finish_log(1, traceback.format_exc())
        raise
    else:
        _finish_log(code, f"exit code {code}")
    return code


def _finish_log(code: int, ending: str) -> None:
    """Leave a log file after a failure, and name it on standard error; remove an earlier one after success."""
    if code == UsageError.exit_code:
        return
    if path := journal.finish(_describe_run() if code else "", ending if code else ""):
        print_message(f"Log: {display_path(path)}")


def _describe_run() -> str:
    """Return the program, its command line and its platform, for which `platform` starts another program."""
    return f"kubeparcel {__version__} · {shlex.join(sys.argv)}\n{platform.platform()} · Python {sys.version}"


def _place() -> str:
    """Return what an error without a file name is about."""
    try:
        Path.cwd()
    except OSError:
        return "The current folder"
    return "The disk"
