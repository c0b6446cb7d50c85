"""The only place that starts other programs: argument lists, no shell, quiet unless they fail."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.child_processes import (
    forget_process,
    kill_all_processes,
    kill_process,
    start_process,
)
from kubeparcel.errors import ToolError

__all__ = [
    "CompletedProcess",
    "failed_process",
    "find_program",
    "kill_all_processes",
    "kill_process",
    "run",
    "start_interactive",
]

TAIL = 60
"""How many lines of a failed program's output are shown."""


@dataclass(frozen=True)
class CompletedProcess:
    """What a finished program left: its exit code and what it printed."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str


def find_program(program: str, hint: str) -> Path:
    """The program's full path; raises ToolError with `todo` when it is not on PATH."""
    found = shutil.which(program)
    if not found:
        raise ToolError(f"{program} is not installed (not found on PATH).", hint)
    return Path(found)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    check: bool = True,
    timeout: float | None = None,
    on_line: Callable[[str], None] | None = None,
) -> CompletedProcess:
    """Run a program to its end and give what it printed.

    `env` is added to this process's environment. `on_line` sees each line of standard error as it
    comes. `timeout` is in seconds. Raises ToolError when the program is missing, takes too long,
    or (with `check`) exits with anything but 0; the program and all it started are then gone.
    """
    words = tuple(str(word) for word in argv)
    with _started(words, cwd, env, stdin is not None) as process:
        try:
            out, err = _communicate(process, stdin, timeout, on_line)
        except subprocess.TimeoutExpired:
            raise ToolError(f"{shlex.join(words)} took longer than {timeout:g} s.") from None
    done = CompletedProcess(words, process.returncode, out, err)
    if check and done.exit_code != 0:
        raise failed_process(done)
    return done


def failed_process(done: CompletedProcess) -> ToolError:
    """The error that shows a failed program: its command, exit code and last lines."""
    said = [*done.stdout.splitlines(), *done.stderr.splitlines()][-TAIL:]
    if done.exit_code < 0:
        how = f"was ended by {signal.Signals(-done.exit_code).name}"
    else:
        how = f"failed with exit code {done.exit_code}"
    return ToolError(f"{shlex.join(done.argv)} {how}.", "\n".join(said) or "It printed nothing.")


@contextmanager
def _started(
    words: tuple[str, ...], cwd: Path | None, env: Mapping[str, str] | None, feed: bool
) -> Iterator[subprocess.Popen[str]]:
    """A running program in a session of its own, killed with its children if we leave early."""
    try:
        process = start_process(
            lambda: subprocess.Popen(
                words,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        )
    except FileNotFoundError as error:
        if cwd and not cwd.is_dir():
            raise ToolError(f"{words[0]} cannot be started: there is no folder {cwd}.") from error
        raise ToolError(f"{words[0]} is not installed (not found).") from None
    except OSError as error:
        raise ToolError(f"{words[0]} cannot be started: {error.strerror}.") from None
    try:
        yield process
    except BaseException:
        kill_process(process)
        raise
    finally:
        forget_process(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with suppress(OSError):  # a program that ended early does not read what is left
                    pipe.close()


def start_interactive(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """A program that is talked to while it runs; it is to be ended with `end`.

    Raises ToolError when it cannot be started.
    """
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    try:
        return start_process(
            lambda: subprocess.Popen(
                argv, stdin=pipe, stdout=pipe, stderr=null, start_new_session=True
            )
        )
    except OSError as error:
        raise ToolError(f"{argv[0]} cannot be started: {error.strerror}.") from None


def _communicate(
    process: subprocess.Popen[str],
    stdin: str | None,
    timeout: float | None,
    on_line: Callable[[str], None] | None,
) -> tuple[str, str]:
    if on_line is None:
        return process.communicate(stdin, timeout)
    out: list[str] = []
    reader = threading.Thread(target=lambda: out.extend(process.stdout or ()), daemon=True)
    reader.start()
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
    """End a program that is still there after so many seconds, and raise TimeoutExpired."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        kill_process(process)

    timer = threading.Timer(timeout or 0, give_up)
    if timeout is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():
        raise subprocess.TimeoutExpired(process.args, timeout or 0)
