"""Progress bars, for a person at a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kubeparcel.console import INDENT, ProgressTask, quantity
from kubeparcel.program_name import with_program_name


class LiveLog:
    """Progress bars for a person at a terminal; facts appear above them as plain lines."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.progress: Progress | None = None
        self.tasks = 0
        self.guard = threading.Lock()

    def info(self, label: str, text: str) -> None:
        first, *more = with_program_name(text).splitlines() or [""]
        lines = [f"{label:<{INDENT}}{first}", *(" " * INDENT + line for line in more)]
        self.console.print("\n".join(lines), markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        first, *more = with_program_name(text).splitlines() or [""]
        lines = [f"{'Warning':<{INDENT}}{first}", *(" " * INDENT + line for line in more)]
        self.console.print("\n".join(lines), markup=False, style="yellow", soft_wrap=True)

    @contextmanager
    def task(
        self, label: str, name: str, total: int | None, unit: str = ""
    ) -> Iterator[ProgressTask]:
        progress = self._enter()
        bar = progress.add_task("", label=label, name=name, total=total, note="")
        try:
            yield _LiveTask(progress, bar, total, unit)
        finally:
            self._leave()

    def _enter(self) -> Progress:
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

    def _leave(self) -> None:
        with self.guard:
            self.tasks -= 1
            if self.tasks == 0 and self.progress is not None:
                self.progress.stop()
                self.progress = None


class _LiveTask:
    def __init__(self, progress: Progress, bar: object, total: int | None, unit: str) -> None:
        self.progress, self.bar, self.total, self.unit = progress, bar, total, unit
        self.done = 0

    def advance(self, amount: int = 1, note: str = "") -> None:
        self.done += amount
        of = f" of {quantity(self.total, self.unit)}" if self.total else ""
        text = note or f"{quantity(self.done, '' if of and self.unit != 'B' else self.unit)}{of}"
        self.progress.update(self.bar, advance=amount, note=text)  # type: ignore[arg-type]  # rich's TaskID

    def info(self, text: str) -> None:
        """The bar has shown it."""
