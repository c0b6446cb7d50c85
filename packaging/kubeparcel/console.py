"""What a person sees while work goes on: labelled lines and progress, always on standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from kubeparcel.program_name import with_program_name

INDENT = 11


class ProgressTask(Protocol):
    """One piece of work under way."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """So much more is done; `note` replaces what is said beside the bar."""

    def info(self, text: str) -> None:
        """A fact about this work for whoever has no bar to look at: a line of its own."""


class Log(Protocol):
    """Where the verbs say what they do."""

    def info(self, label: str, text: str) -> None:
        """One line of fact, `Release    Kubernetes 1.36.3`; further lines are indented."""

    def warn(self, text: str) -> None:
        """Something the user should know, though the work goes on."""

    def task(
        self, label: str, name: str, total: int | None, unit: str = ""
    ) -> AbstractContextManager[ProgressTask]:
        """Show a piece of work until the block ends. `unit` is `B` for bytes, or a plural noun."""


class PlainLog:
    """Plain lines, for CI and files: one when a piece of work starts to matter, one at its end."""

    def __init__(self, stream: TextIO | None = None, every: float = 15.0) -> None:
        self.stream = stream or sys.stderr
        self.every = every

    def info(self, label: str, text: str) -> None:
        first, *more = with_program_name(text).splitlines() or [""]
        self._print(f"{label:<{INDENT}}{first}", *(" " * INDENT + line for line in more))

    def warn(self, text: str) -> None:
        self.info("Warning", text)

    @contextmanager
    def task(
        self, label: str, name: str, total: int | None, unit: str = ""
    ) -> Iterator[ProgressTask]:
        line = _PlainTask(self, label, name, total, unit)
        yield line
        took = time.monotonic() - line.started
        self.info(label, f"{name} · {quantity(line.done, unit)} · {duration(took)}")

    def _print(self, *lines: str) -> None:
        self.stream.write("\n".join(lines) + "\n")  # print would write the last end apart
        self.stream.flush()


class _PlainTask:
    def __init__(self, log: PlainLog, label: str, name: str, total: int | None, unit: str) -> None:
        self.log, self.label, self.name, self.total, self.unit = log, label, name, total, unit
        self.done = 0
        self.started = self.said = time.monotonic()

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount
        now = time.monotonic()
        if now - self.said >= self.log.every:
            self.said = now
            of = f" of {quantity(self.total, self.unit)}" if self.total else ""
            self.log.info(
                self.label, f"{self.name} · {note or quantity(self.done, self.unit) + of}"
            )

    def info(self, text: str) -> None:
        self.log.info(self.label, f"{self.name} · {text}")


class QuietLog:
    """Says nothing but warnings."""

    def info(self, label: str, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        print(f"Warning: {with_program_name(text)}", file=sys.stderr)

    @contextmanager
    def task(
        self, label: str, name: str, total: int | None, unit: str = ""
    ) -> Iterator[ProgressTask]:
        yield _SilentTask()


class _SilentTask:
    def advance(self, amount: int = 1, note: str = "") -> None:
        pass

    def info(self, text: str) -> None:
        pass


def quantity(number: int, unit: str) -> str:
    """A count with its unit: `17.9 MB` for bytes, else `1,204 packages`."""
    if unit != "B":
        return f"{number:,} {unit}".rstrip()
    return f"{number / 1e6:.1f} MB" if number >= 100_000 else f"{number / 1e3:.1f} kB"


def duration(seconds: float) -> str:
    """`0.4 s` below a minute, `2:10` above."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def create_log(quiet: bool = False) -> Log:
    """The log that fits: quiet when asked, bars on a terminal, plain lines in CI and files."""
    if quiet:
        return QuietLog()
    live = sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
    if not live:
        return PlainLog()
    from kubeparcel.progress_bars import LiveLog

    return LiveLog()
