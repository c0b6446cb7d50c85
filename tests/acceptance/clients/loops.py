"""Clients that read a repository in a loop, each with a separate configuration."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.clients.configurations import configure_apt, configure_dnf

TIMEOUT = 300.0
PAUSE = 2.5


@dataclass
class Loop:
    """One client. `output` is that of its last successful round, `failures` those of failed rounds.

    `race_message` is part of the error after the repository changed between two related requests.
    Such rounds, in `races`, are tolerated while they are rare and the next round succeeds.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    race_message: str = "no message matches this"
    races: list[int] = field(default_factory=list)
    rounds: int = 0
    started: float = 0.0
    output: str = ""
    failures: list[str] = field(default_factory=list)
    condition: threading.Condition = field(default_factory=threading.Condition)
    stop: threading.Event = field(default_factory=threading.Event)
    requested: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read the repository until `stop`: at once when requested, else after a pause."""
        while not self.stop.is_set():
            self.requested.wait(PAUSE)
            self.requested.clear()
            started = time.monotonic()
            result = subprocess.run(
                self.command,
                env={**os.environ, **self.environment, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            with self.condition:
                self.rounds += 1
                self._record(started, result)
                self.condition.notify_all()

    def _record(self, started: float, result: subprocess.CompletedProcess[str]) -> None:
        if result.returncode == 0:
            self.started, self.output = started, result.stdout
        elif self.race_message in result.stderr and self.rounds - 1 not in self.races:
            self.races.append(self.rounds)
        else:
            self.failures.append(result.stdout + result.stderr)

    def output_after(self, moment: float) -> str:
        """Return the output of a round that started after a moment."""
        self.requested.set()
        self._wait(lambda: self.started > moment)
        return self.output

    def wait_for_rounds(self, rounds: int) -> None:
        """Wait until it has read the repository that many times."""
        if self.rounds < rounds:
            self.requested.set()
        self._wait(lambda: self.rounds >= rounds)

    def _wait(self, reached: Callable[[], bool]) -> None:
        with self.condition:
            finished = self.condition.wait_for(lambda: reached() or self.failures, TIMEOUT)
            assert not self.failures, f"{self.name}:\n{self.failures[0]}"
            assert finished, f"{self.name} hangs"


def _apt(folder: Path, repo: Path) -> Loop:
    script = "apt-get --quiet update && apt-cache madison kubelet"
    return Loop("apt", ["sh", "-ec", script], configure_apt(folder, repo))


def _dnf(folder: Path, repo: Path) -> Loop:
    command = ["dnf", "--quiet", *configure_dnf(folder, repo), "repoquery", "--refresh", "kubelet"]
    return Loop("dnf", command, race_message="repomd.xml GPG signature verification error")


FACTORIES: tuple[Callable[[Path, Path], Loop], ...] = (_apt, _dnf)


@contextmanager
def running(folder: Path, repo: Path) -> Iterator[list[Loop]]:
    """Run an apt and a dnf that read a repository until the block ends."""
    loops = [make(folder / make.__name__.strip("_"), repo) for make in FACTORIES]
    with ExitStack() as stack:
        for loop in loops:
            thread = threading.Thread(target=loop.run)
            thread.start()
            stack.callback(thread.join)
            stack.callback(loop.stop.set)
        yield loops
