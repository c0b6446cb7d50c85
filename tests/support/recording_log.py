"""A log that records its messages, warnings and tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kubeparcel.console import ProgressTask


class RecordingLog:
    """A log that records its messages, warnings and tasks."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.tasks: list[str] = []

    def info(self, label: str, text: str) -> None:
        self.messages.append((label, text))

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @contextmanager
    def task(self, label: str, name: str, total: int | None, unit: str = "") -> Iterator[ProgressTask]:
        self.tasks.append(f"{label} {name}")
        yield RecordingTask()


class RecordingTask:
    def advance(self, amount: int = 1, note: str = "") -> None:
        pass

    def info(self, text: str) -> None:
        pass
