"""Clients that read a repository again and again, with a configuration of their own."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

APT = """
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{folder}/sources";
Dir::State "{folder}/state";
Dir::Cache "{folder}/cache";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
"""
DNF = """
[main]
cachedir={folder}/cache
persistdir={folder}/cache
logdir={folder}
reposdir={folder}/repos
plugins=0
assumeyes=1
skip_if_unavailable=0
"""
PATIENCE = 300.0
PAUSE = 1.0


@dataclass
class Loop:
    """One client. `said` is what it printed in its last good round, `wrong` what failed.

    `torn` fits what it says when the repository changed between two requests that belong
    together. That is nobody's fault as long as it is rare and over at once: never twice running.
    """

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    torn: str = "nothing of that kind"
    tears: list[int] = field(default_factory=list)
    rounds: int = 0
    begun: float = 0.0
    said: str = ""
    wrong: list[str] = field(default_factory=list)
    turn: threading.Condition = field(default_factory=threading.Condition)
    over: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read the repository until `over`, at once when somebody asks, else after a pause."""
        while not self.over.is_set():
            self.asked.wait(PAUSE)
            self.asked.clear()
            begun = time.monotonic()
            done = subprocess.run(
                self.command,
                env={**os.environ, **self.environment, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            with self.turn:
                self.rounds += 1
                self._note(begun, done)
                self.turn.notify_all()

    def _note(self, begun: float, done: subprocess.CompletedProcess[str]) -> None:
        if done.returncode == 0:
            self.begun, self.said = begun, done.stdout
        elif self.torn in done.stderr and self.rounds - 1 not in self.tears:
            self.tears.append(self.rounds)
        else:
            self.wrong.append(done.stdout + done.stderr)

    def since(self, moment: float) -> str:
        """What it prints in a round that began after a moment."""
        self.asked.set()
        self._wait(lambda: self.begun > moment)
        return self.said

    def reached(self, rounds: int) -> None:
        """Wait until it has read the repository so many times."""
        if self.rounds < rounds:
            self.asked.set()
        self._wait(lambda: self.rounds >= rounds)

    def _wait(self, enough: Callable[[], bool]) -> None:
        with self.turn:
            done = self.turn.wait_for(lambda: enough() or self.wrong, PATIENCE)
            assert not self.wrong, f"{self.name}:\n{self.wrong[0]}"
            assert done, f"{self.name} hangs"


def _apt(folder: Path, repo: Path) -> Loop:
    for name in ("sources", "state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources/stable.sources").write_bytes((repo / "stable.sources").read_bytes())
    (folder / "apt.conf").write_text(APT.format(folder=folder))
    words = "apt-get --quiet update && apt-cache madison kubelet"
    return Loop("apt", ["sh", "-ec", words], {"APT_CONFIG": str(folder / "apt.conf")})


def _dnf(folder: Path, repo: Path) -> Loop:
    (folder / "repos").mkdir(parents=True)
    (folder / "repos/stable.repo").write_bytes((repo / "stable.repo").read_bytes())
    (folder / "dnf.conf").write_text(DNF.format(folder=folder))
    words = ["--quiet", "--config", str(folder / "dnf.conf"), "--releasever", "1"]
    command = ["dnf", *words, "repoquery", "--refresh", "kubelet"]
    return Loop("dnf", command, torn="repomd.xml GPG signature verification error")


KINDS: tuple[Callable[[Path, Path], Loop], ...] = (_apt, _dnf)


@contextmanager
def running(folder: Path, repo: Path) -> Iterator[list[Loop]]:
    """An apt and a dnf that read a repository, until the block ends."""
    loops = [make(folder / make.__name__.strip("_"), repo) for make in KINDS]
    with ExitStack() as stack:
        for loop in loops:
            thread = threading.Thread(target=loop.run)
            thread.start()
            stack.callback(thread.join)
            stack.callback(loop.over.set)
        yield loops
