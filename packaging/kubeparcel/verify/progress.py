"""Who watches sees each host get on: its bar at a terminal, a line for each scenario elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from kubeparcel.console import Log, ProgressTask, duration
from kubeparcel.reports.results import Check

StepCounts = Mapping[str, Sequence[int]]
"""For each host, how many checks each of its scenarios can have."""


@dataclass
class HostProgress:
    """One host that is being proved. Safe to use from several threads."""

    log: Log
    label: str
    host: str
    total: int
    scenarios: int
    task: ProgressTask
    shown: ExitStack
    done: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def scenario(self, name: str, steps: int) -> Iterator[Callable[[Check], None]]:
        """A scenario of at most so many steps; gives what wants to hear of each check."""
        started = time.monotonic()
        checks: list[Check] = []

        def told(check: Check) -> None:
            checks.append(check)
            self._advance(1, name if check.name == name else f"{name} · {check.name}")

        self._advance(0, name)
        yield told
        self._advance(steps - len(checks), name)
        with self.guard:
            self._end(name, checks, duration(time.monotonic() - started))
            self.scenarios -= 1
            if not self.scenarios:
                self.shown.close()

    def _advance(self, checks: int, what: str) -> None:
        with self.guard:
            self.done += checks
            self.task.advance(checks, f"{self.done} of {self.total} · {what}")

    def _end(self, name: str, checks: Sequence[Check], took: str) -> None:
        failed = [check.name for check in checks if not check.passed]
        if failed:
            verb = "fails" if len(failed) == 1 else "fail"
            said = f"{len(failed)} of {_counted(checks)} {verb}: {', '.join(failed)}"
            self.log.info(self.label, f"{self.host} · {name} · {said} · {took}")
        else:
            self.task.info(f"{name} · {_counted(checks)} · {took}")


def _counted(checks: Sequence[Check]) -> str:
    return f"{len(checks)} check{'' if len(checks) == 1 else 's'}"


@contextmanager
def show_progress(log: Log, level: str, counts: StepCounts) -> Iterator[Mapping[str, HostProgress]]:
    """Show hosts until the block ends; each that has no scenario left is done before."""
    label = level.capitalize()
    with ExitStack() as stack:
        watches: dict[str, HostProgress] = {}
        for host, steps in counts.items():
            own = stack.enter_context(ExitStack())
            task = own.enter_context(log.task(label, host, sum(steps), "checks"))
            task.advance(0, f"0 of {sum(steps)}")
            watches[host] = HostProgress(log, label, host, sum(steps), len(steps), task, own)
        yield watches
