"""A running container of a host, as the levels use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kubeparcel import process
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.engine import Engine, WaitTimeout
from kubeparcel.process import CompletedProcess

T = TypeVar("T")


@dataclass(frozen=True)
class Container:
    """A running container: its name in the engine, and the host it is one of."""

    engine: Engine
    name: str
    host: Host

    @property
    def shell_command(self) -> str:
        """What a person types to enter it."""
        return self.engine.shell_command(self.name)

    def run(
        self,
        *argv: str,
        check: bool = True,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        description: str = "",
    ) -> CompletedProcess:
        """Run a command inside to its end; its own words are in `argv` of what it gives.

        Standard input is closed unless given. With `check`, an exit code other than 0 raises
        ToolError with the output. Raises WaitTimeout after `timeout` seconds, naming `what`.
        """
        waited = f"{self.host.name}: {description or ' '.join(argv)[:200]}"
        done = self.engine.exec(
            self.name, argv, stdin=stdin, env=env, timeout=timeout, description=waited
        )
        own = CompletedProcess(argv, done.exit_code, done.stdout, done.stderr)
        if check and own.exit_code:
            raise process.failed_process(own)
        return own

    def run_script(
        self, text: str, *arguments: str, check: bool = True, timeout: float = 60
    ) -> CompletedProcess:
        """Run a shell script that is given as text, stopping at its first failing command."""
        return self.run("sh", "-euc", text, "sh", *arguments, check=check, timeout=timeout)

    def read_file(self, path: str) -> str:
        """A file's text; raises ToolError when there is none."""
        return self.run("cat", path).stdout

    def write_file(self, path: str, text: str) -> None:
        """Write a file, and the folders above it."""
        self.run("sh", "-euc", 'mkdir -p "${1%/*}"; cat >"$1"', "sh", path, stdin=text)

    def exists(self, path: str) -> bool:
        """Whether there is anything at a path."""
        return self.run("test", "-e", path, check=False).exit_code == 0

    def copy_in(self, source: Path, target: str) -> None:
        """Copy a file or folder in."""
        self.engine.copy_in(self.name, source, target)

    def copy_out(self, source: str, target: Path) -> None:
        """Copy a file or folder out."""
        self.engine.copy_out(self.name, source, target)

    def restart(self, timeout: float = 60) -> None:
        """Shut it down in good order and start it again; its files stay."""
        self.engine.restart(self.name, timeout)

    def wait_for(
        self,
        condition: Callable[[], T | None],
        description: str,
        timeout: float = 60,
        interval: float = 0.5,
        diagnose: Callable[[], str] = str,
    ) -> T:
        """Ask until there is an answer that is true, and give it.

        After `timeout` seconds raises WaitTimeout: it names `what` was waited for, and what
        `instead()` says, such as the last lines of a journal.
        """
        end = time.monotonic() + timeout
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > end:
                raise WaitTimeout(
                    f"{self.host.name}: waited {timeout:g} s for {description}.", diagnose()
                )
            time.sleep(interval)
