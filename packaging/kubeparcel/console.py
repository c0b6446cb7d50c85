"""Messages, progress and tables for people: messages and progress go to standard error."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TextIO

from kubeparcel import journal
from kubeparcel.program_name import with_program_name
from kubeparcel.sanitize import for_terminal, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

INDENT = 11
"""The width of the label column."""


class ProgressTask(Protocol):
    """A piece of work in progress."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Report progress; `note` replaces the default text next to the bar."""

    def info(self, text: str) -> None:
        """Print a line about this work where no bar is shown."""


class Log(Protocol):
    """Receives the messages and the progress of all work."""

    def info(self, label: str, text: str) -> None:
        """Print a message, `Release    Kubernetes 1.36.3`; further lines are indented."""

    def warn(self, text: str) -> None:
        """Print a warning."""

    def task(self, label: str, name: str, total: int | None, unit: str = "") -> AbstractContextManager[ProgressTask]:
        """Show a piece of work until the block ends. `unit` is `B` for bytes, or a plural noun."""


def print_message(text: str, stream: TextIO | None = None) -> None:
    """Print a line to standard error that a terminal cannot execute; a full disk or a closed pipe stops no work."""
    stream = stream or sys.stderr
    try:
        stream.write(for_terminal(text) + "\n")  # print() would write the newline apart
        stream.flush()
    except OSError:
        discard_output(stream)


def discard_output(stream: TextIO) -> None:
    """Discard what is written to a stream from now on, and what it still buffers."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class PlainLog:
    """Plain lines, for CI and files; long tasks report every `interval` seconds and at the end."""

    def __init__(self, stream: TextIO | None = None, interval: float = 15.0) -> None:
        self.stream = stream or sys.stderr
        self.interval = interval

    def info(self, label: str, text: str) -> None:
        journal.record(_labeled(label, text))
        print_message(_labeled(label, text), self.stream)

    def warn(self, text: str) -> None:
        self.info("Warning", text)

    @contextmanager
    def task(self, label: str, name: str, total: int | None, unit: str = "") -> Iterator[ProgressTask]:
        task = _PlainTask(self, label, name, total, unit)
        yield task
        seconds = time.monotonic() - task.started
        completed = [quantity(task.completed, unit)] if task.completed else []
        self.info(label, " · ".join(dict.fromkeys([name, *completed, duration(seconds)])))


class _PlainTask:
    def __init__(self, log: PlainLog, label: str, name: str, total: int | None, unit: str) -> None:
        self.log, self.label, self.name, self.total, self.unit = log, label, name, total, unit
        self.completed = 0
        self.started = self.reported = time.monotonic()

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.completed += amount
        now = time.monotonic()
        if now - self.reported >= self.log.interval:
            self.reported = now
            total = f" of {quantity(self.total, self.unit)}" if self.total else ""
            self.info(note or quantity(self.completed, self.unit) + total)

    def info(self, text: str) -> None:
        self.log.info(self.label, f"{self.name} · {text}")


class QuietLog:
    """Prints warnings only."""

    def info(self, label: str, text: str) -> None:
        journal.record(_labeled(label, text))

    def warn(self, text: str) -> None:
        journal.record(f"Warning: {text}")
        print_message(f"Warning: {with_program_name(text)}")

    @contextmanager
    def task(self, label: str, name: str, total: int | None, unit: str = "") -> Iterator[ProgressTask]:
        yield _SilentTask()


class _SilentTask:
    def advance(self, amount: int = 1, note: str = "") -> None:
        pass

    def info(self, text: str) -> None:
        pass


class LiveLog:
    """Progress bars on a terminal; messages appear above them."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self.console = console or Console(stderr=True, highlight=False)
        self.progress: Progress | None = None
        self.tasks = 0
        self.guard = threading.Lock()

    def info(self, label: str, text: str) -> None:
        journal.record(_labeled(label, text))
        self.console.print(for_terminal(_labeled(label, text)), markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        text = _labeled("Warning", text)
        journal.record(text)
        self.console.print(for_terminal(text), markup=False, style="yellow", soft_wrap=True)

    @contextmanager
    def task(self, label: str, name: str, total: int | None, unit: str = "") -> Iterator[ProgressTask]:
        progress = self._start()
        bar = progress.add_task("", label=label, name=one_line(name), total=total, note="")
        try:
            yield _LiveTask(progress, bar, total, unit)
        finally:
            self._stop()

    def _start(self) -> Progress:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        with self.guard:
            self.tasks += 1
            if self.progress is None:
                self.progress = Progress(
                    TextColumn(f"{{task.fields[label]:<{INDENT - 1}}}"),
                    TextColumn("{task.fields[name]}"),
                    BarColumn(30),
                    TextColumn("{task.fields[note]}"),
                    TimeElapsedColumn(),
                    console=self.console,
                )
                self.progress.start()
            return self.progress

    def _stop(self) -> None:
        with self.guard:
            self.tasks -= 1
            if self.tasks == 0 and self.progress is not None:
                self.progress.stop()
                self.progress = None


class _LiveTask:
    def __init__(self, progress: Progress, bar: TaskID, total: int | None, unit: str) -> None:
        self.progress, self.bar, self.total, self.unit = progress, bar, total, unit
        self.completed = 0

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.completed += amount
        total = f" of {quantity(self.total, self.unit)}" if self.total else ""
        unit = "" if total and self.unit != "B" else self.unit
        note = note or f"{quantity(self.completed, unit)}{total}"
        self.progress.update(self.bar, advance=amount, note=one_line(note))

    def info(self, text: str) -> None:
        """Print nothing: the bar shows it."""


class WithoutRepetitions:
    """Prints each message and warning once, for work that is done for several releases."""

    def __init__(self, log: Log) -> None:
        self._log, self.task = log, log.task
        self._printed: set[tuple[str, ...]] = set()
        self._guard = threading.Lock()

    def info(self, label: str, text: str) -> None:
        if self._is_first(label, text):
            self._log.info(label, text)

    def warn(self, text: str) -> None:
        if self._is_first(text):
            self._log.warn(text)

    def _is_first(self, *message: str) -> bool:
        with self._guard:
            first = message not in self._printed
            self._printed.add(message)
        return first


def create_log(quiet: bool = False) -> Log:
    """Return the log for this run: quiet, progress bars on a terminal, else plain lines."""
    if quiet:
        return QuietLog()
    live = sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
    live = live and not journal.listeners  # bars and lines of --verbose do not mix
    return LiveLog() if live else PlainLog()


def quantity(number: int, unit: str) -> str:
    """Format a count with its unit, a plural: `17.9 MB` for bytes (unit `B`), else `1,204 packages` or `1 package`."""
    if unit != "B":
        if number == 1:
            unit = f"{unit.removesuffix('ies')}y" if unit.endswith("ies") else unit.removesuffix("s")
        return f"{number:,} {unit}".rstrip()
    if number >= 10_000_000_000:
        return f"{number / 1e9:.1f} GB"
    return f"{number / 1e6:.1f} MB" if number >= 100_000 else f"{number / 1e3:.1f} kB"


def first_names(names: Sequence[str], limit: int = 3) -> str:
    """Return a list that names only the first: `a, b, c and 2 more`."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def duration(seconds: float) -> str:
    """Format a duration: `0.4 s` below a minute, `2:10` above."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _labeled(label: str, text: str) -> str:
    first, *more = with_program_name(text).splitlines() or [""]
    return "\n".join([f"{label:<{INDENT}}{first}", *(" " * INDENT + line for line in more)])
