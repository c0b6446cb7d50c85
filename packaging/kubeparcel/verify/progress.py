"""Progress of a level on hosts: a bar per host at a terminal, a line per scenario elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from kubeparcel.console import Log, ProgressTask, duration, quantity
from kubeparcel.reports.results import Check

OnCheck: TypeAlias = Callable[[Check], None]
"""Called with each check as soon as it is complete."""


@dataclass
class HostProgress:
    """The progress of one host. Safe to use from several threads."""

    log: Log
    label: str
    host: str
    total: int
    open_scenarios: int
    task: ProgressTask
    display: ExitStack
    completed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def scenario(self, name: str, steps: int) -> Iterator[OnCheck]:
        """Show a scenario of at most `steps` checks; yield the function to call with each."""
        started = time.monotonic()
        checks: list[Check] = []

        def on_check(check: Check) -> None:
            checks.append(check)
            self._advance(1, name if check.name == name else f"{name} · {check.name}")

        self._advance(0, name)
        yield on_check
        self._advance(steps - len(checks), name)
        with self.lock:
            self._show_result(name, checks, duration(time.monotonic() - started))
            self.open_scenarios -= 1
            if not self.open_scenarios:
                self.display.close()

    def _advance(self, checks: int, note: str) -> None:
        with self.lock:
            self.completed += checks
            self.task.advance(checks, f"{self.completed} of {self.total} · {note}")

    def _show_result(self, name: str, checks: Sequence[Check], elapsed: str) -> None:
        count = quantity(len(checks), "checks")
        failed = [check.name for check in checks if not check.passed]
        if failed:
            summary = f"{len(failed)} of {count} failed: {', '.join(failed)}"
            self.log.info(self.label, f"{self.host} · {name} · {summary} · {elapsed}")
        else:
            self.task.info(f"{name} · {count} · {elapsed}")


@contextmanager
def show_progress(
    log: Log, level: str, step_counts: Mapping[str, Sequence[int]]
) -> Iterator[Mapping[str, HostProgress]]:
    """Show the progress of hosts until the block ends, or until a host's last scenario ends.

    `step_counts` has, for each host, the number of steps of each of its scenarios.
    """
    label = level.capitalize()
    with ExitStack() as stack:
        progress: dict[str, HostProgress] = {}
        for host, steps in step_counts.items():
            display = stack.enter_context(ExitStack())
            task = display.enter_context(log.task(label, host, sum(steps), "checks"))
            task.advance(0, f"0 of {sum(steps)}")
            progress[host] = HostProgress(log, label, host, sum(steps), len(steps), task, display)
        yield progress
