"""Run other programs: argument lists, no shell, quiet on success, killed with all they started."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kubeparcel import journal
from kubeparcel.errors import ToolError
from kubeparcel.interrupts import defer_signals, start_threads

TAIL = 60
"""The number of output lines that the error of a failed program shows."""

Process = TypeVar("Process", "subprocess.Popen[str]", "subprocess.Popen[bytes]")

_RUNNING: set[int] = set()
"""The process groups of all running programs, whichever thread started them."""

_KILLS: list[None] = []
"""One entry for each call of `kill_all_processes`: a program that another thread is just starting must die too."""


class ProcessTimeout(ToolError):
    """A program took longer than its timeout and was killed."""


@dataclass(frozen=True)
class CompletedProcess:
    """The exit code and output of a finished program."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str


def find_program(program: str, hint: str) -> Path:
    """Return the full path of a program; raise ToolError with `hint` if it is not on PATH."""
    path = shutil.which(program)
    if not path:
        raise ToolError(f"{program} is not installed (not found on PATH).", hint)
    return Path(path)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    stdin: str | None = None,
    check: bool = True,
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> CompletedProcess:
    """Run a program and return its exit code and output.

    `env` is added to the environment, and None removes a variable; `on_line` receives each line of
    standard error as it arrives, `timeout` is in seconds. Raises ToolError if the program is missing, times out or
    (with `check`) exits with another code than 0; it is then killed with all that it started.
    """
    arguments = tuple(str(argument) for argument in argv)
    started = time.monotonic()
    with _started(arguments, cwd, env, stdin is not None) as (process, deferral):
        deferral.close()
        try:
            out, err = _communicate(process, stdin, timeout, on_line)
        except subprocess.TimeoutExpired:
            journal.record_command(arguments, -signal.SIGKILL, time.monotonic() - started)
            message = f"{shlex.join(arguments)} took longer than {timeout:g} s."
            raise ProcessTimeout(message) from None
    completed = CompletedProcess(arguments, process.returncode, out, err)
    journal.record_command(arguments, process.returncode, time.monotonic() - started, out + err)
    if check and completed.exit_code != 0:
        raise failed_process(completed)
    return completed


def failed_process(completed: CompletedProcess) -> ToolError:
    """Return the error for a failed program: its command, exit code and last lines of output."""
    output = [*completed.stdout.splitlines(), *completed.stderr.splitlines()][-TAIL:]
    if completed.exit_code < 0:
        reason = f"was killed by {signal.Signals(-completed.exit_code).name}"
    else:
        reason = f"failed with exit code {completed.exit_code}"
    hint = "\n".join(output) or "It printed nothing."
    return ToolError(f"{shlex.join(completed.argv)} {reason}.", hint)


def start_interactive(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program with pipes to its input and output; end it with `kill_process`.

    Raises ToolError if it cannot be started.
    """
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    try:
        return start_process(
            lambda: subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=null, start_new_session=True)
        )
    except OSError as error:
        raise ToolError(f"{argv[0]} cannot be started: {error.strerror}.") from None


def start_process(start: Callable[[], Process]) -> Process:
    """Start a program, the leader of a new session, and register it.

    SIGINT and SIGTERM wait until it is registered, so that their handlers can kill it.
    """
    kills = len(_KILLS)
    with ExitStack() as stack:
        stack.enter_context(defer_signals())
        process = start()
        _RUNNING.add(process.pid)
        try:
            stack.close()
        except BaseException:
            kill_process(process)
            raise
    if len(_KILLS) != kills:
        _kill_group(process.pid)
    return process


def forget_process(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Unregister a program that has ended: the kernel may reuse its process id."""
    _RUNNING.discard(process.pid)


def kill_process(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Kill a program and its whole session. May be called in any thread.

    Readers of its pipes get end-of-file; closing the pipes is left to them.
    """
    _kill_group(process.pid)
    process.wait()
    _RUNNING.discard(process.pid)


def kill_all_processes() -> None:
    """Kill all running programs: Ctrl-C reaches neither other threads nor other sessions."""
    _KILLS.append(None)
    for group in tuple(_RUNNING):
        _kill_group(group)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@contextmanager
def _started(
    argv: tuple[str, ...], cwd: Path | None, env: Mapping[str, str | None] | None, with_stdin: bool
) -> Iterator[tuple[subprocess.Popen[str], ExitStack]]:
    """Start a program; kill its session if the block is left early.

    SIGINT and SIGTERM wait until the block closes their deferral. If they were handled on the way into
    the block, the program would be left running.
    """
    with ExitStack() as deferral:
        deferral.enter_context(defer_signals())
        try:
            process = start_process(
                lambda: subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env={name: value for name, value in {**os.environ, **(env or {})}.items() if value is not None},
                    stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
            )
        except FileNotFoundError as error:
            if cwd and not cwd.is_dir():
                raise ToolError(f"{argv[0]} cannot be started: no such folder: {cwd}.") from error
            raise ToolError(f"{argv[0]} is not installed (not found).") from None
        except OSError as error:
            raise ToolError(f"{argv[0]} cannot be started: {error.strerror}.") from None
        try:
            yield process, deferral
        except BaseException:
            kill_process(process)
            raise
        finally:
            forget_process(process)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    with suppress(OSError):  # the program may have ended without reading its input
                        pipe.close()


def _communicate(
    process: subprocess.Popen[str], stdin: str | None, timeout: float | None, on_line: Callable[[str], None] | None
) -> tuple[str, str]:
    if on_line is None:
        return process.communicate(stdin, timeout)
    out: list[str] = []
    reader = threading.Thread(target=lambda: out.extend(process.stdout or ()), daemon=True)
    start_threads([reader])
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.write(stdin or "")
            process.stdin.close()
    err: list[str] = []
    with _time_limit(process, timeout):
        for line in process.stderr or ():
            err.append(line)
            on_line(line.rstrip("\n"))
        process.wait()
        reader.join()
    return "".join(out), "".join(err)


@contextmanager
def _time_limit(process: subprocess.Popen[str], timeout: float | None) -> Iterator[None]:
    """Kill a program that is still running after `timeout` seconds, and raise TimeoutExpired."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        kill_process(process)

    timer = threading.Timer(timeout or 0, expire)
    if timeout is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if expired.is_set():
        raise subprocess.TimeoutExpired(process.args, timeout or 0)
