"""Results and errors as text or JSON, with exit codes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable

from kubeparcel.errors import DiskError, KubeparcelError, UsageError
from kubeparcel.program_name import with_program_name

DEBUG = "KUBEPARCEL_DEBUG"
INTERRUPTED = 130


def print_result(text: str) -> None:
    """Print a result to standard output."""
    print(with_program_name(text), flush=True)


def confirm(question: str, *, yes: bool) -> None:
    """Ask a question at the terminal, unless `yes`. Raises UsageError for any answer but yes, or without a terminal."""
    if yes:
        return
    statement = question.removesuffix("?")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{statement}: this needs confirmation; nothing was changed.", "Pass --yes to confirm.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(f"{statement}: not confirmed; nothing was changed.")


def report_error(error: KubeparcelError, *, as_json: bool = False) -> None:
    """Print an error: text to standard error, or a JSON document to standard output."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    if as_json:
        document = {"error": error.message, "hint": error.hint, "exit": error.exit_code}
        print_result(json.dumps(document, indent=2))
    else:
        print(with_program_name(str(error)), file=sys.stderr)


def exit_code(work: Callable[[], int | None], *, as_json: bool = False) -> int:
    """Run `work` and return its exit code; expected errors are reported, bugs are raised."""
    try:
        return work() or 0
    except KubeparcelError as error:
        report_error(error, as_json=as_json)
        return error.exit_code
    except BrokenPipeError:  # the reader of a pipe has gone: `kubeparcel config | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        failure = DiskError(f"{error.filename or 'The disk'}: {error.strerror or error}.")
        failure.__cause__ = error
        report_error(failure, as_json=as_json)
        return failure.exit_code
    except KeyboardInterrupt:
        print("\nInterrupted. No partial files were left; run the command again to continue.", file=sys.stderr)
        return INTERRUPTED
