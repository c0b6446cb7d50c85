"""A running container of a host."""

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
    """A running container: its name in the engine and the host that it is an instance of."""

    engine: Engine
    name: str
    host: Host

    def run(
        self,
        *argv: str,
        check: bool = True,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        description: str = "",
    ) -> CompletedProcess:
        """Run a command in the container; the result's `argv` is that command.

        Without `stdin` its standard input is closed. With `check`, an exit code other than 0 raises
        ToolError with the output. Raises WaitTimeout with the description after `timeout` seconds.
        """
        waiting_for = f"{self.host.name}: {description or ' '.join(argv)[:200]}"
        completed = self.engine.exec(self.name, argv, stdin=stdin, env=env, timeout=timeout, description=waiting_for)
        result = CompletedProcess(argv, completed.exit_code, completed.stdout, completed.stderr)
        if check and result.exit_code:
            raise process.failed_process(result)
        return result

    def run_script(self, text: str, *arguments: str, check: bool = True, timeout: float = 60) -> CompletedProcess:
        """Run the text of a shell script; it stops at the first failing command."""
        return self.run("sh", "-euc", text, "sh", *arguments, check=check, timeout=timeout)

    def write_file(self, path: str, text: str) -> None:
        """Write a file, creating its parent folders."""
        self.run("sh", "-euc", 'mkdir -p "${1%/*}"; cat >"$1"', "sh", path, stdin=text)

    def exists(self, path: str) -> bool:
        return self.run("test", "-e", path, check=False).exit_code == 0

    def copy_in(self, source: Path, target: str) -> None:
        self.engine.copy(str(source), f"{self.name}:{target}")

    def copy_out(self, source: str, target: Path) -> None:
        """Copy a file or folder out of the container; `target` does not exist yet."""
        self.engine.copy(f"{self.name}:{source}", str(target))

    def restart(self) -> None:
        """Shut the container down and start it again; its files are kept."""
        self.engine.restart(self.name)

    def wait_for(
        self,
        condition: Callable[[], T | None],
        description: str,
        timeout: float = 60,
        interval: float = 0.5,
        diagnose: Callable[[], str] = str,
    ) -> T:
        """Call `condition` every `interval` seconds and return its first true value.

        After `timeout` seconds raises WaitTimeout with the description and, as hint, the text of
        `diagnose()`, such as the last lines of a journal.
        """
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise WaitTimeout(f"{self.host.name}: waited {timeout:g} s for {description}.", diagnose())
            time.sleep(interval)
