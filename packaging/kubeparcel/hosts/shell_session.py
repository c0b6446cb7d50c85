"""A shell that stays open in a container and runs one command after another.

`podman exec` takes 0.1 to 0.5 s per call; commands sent to an open shell take milliseconds.
"""

from __future__ import annotations

import os
import select
import shlex
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from kubeparcel import journal, process
from kubeparcel.process import CompletedProcess

CONTAINER_ENDED = 137
"""The exit code that engines return for a command whose container ended."""

_GREETING = "files={folder}/kubeparcel-shell.$$; umask 022; echo ready\n"
_RESULT = """\
printf '%s %s %s\\n' $? $(wc -c <$files.out) $(wc -c <$files.err); cat $files.out $files.err
"""


class ShellSession:
    """An open shell. `lock` must be held while a command runs, and is released by `release`.

    The input and output of the last command are in files of `folder` inside the container.
    """

    def __init__(self, argv: Sequence[str], folder: str = "/run") -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self._process = process.start_interactive(argv)
        self.is_open, self._connected = True, False

    def connect(self, timeout: float) -> bool:
        """Return whether the shell responds; False if the engine could not start it."""
        if not self._connected:
            greeting = _GREETING.format(folder=self.folder)
            self._connected = self._send(greeting, time.monotonic() + timeout) == b"ready\n"
        return self._connected and self.is_open

    def run(
        self, argv: Sequence[str], stdin: str | None = None, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> CompletedProcess:
        """Run a command; after `timeout` seconds close the shell and raise TimeoutError."""
        end = time.monotonic() + timeout
        header = self._send(f"{_command_line(argv, stdin, env)}\n{_RESULT}", end)
        if not header:
            return CompletedProcess(tuple(argv), CONTAINER_ENDED, "", "The container ended while the command ran.")
        code, *sizes = (int(number) for number in header.split())
        out, err = (self._read(size, end).decode("utf-8", "replace") for size in sizes)
        return CompletedProcess(tuple(argv), code, out, err)

    def close(self) -> None:
        """End the shell; a thread that waits for a command in it continues at once."""
        self._kill()
        if self.lock.acquire(blocking=False):
            self.release()

    def release(self) -> None:
        """Release the lock; the last holder of a closed shell's lock also closes its pipes."""
        if not self.is_open:
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):  # unwritten input that nobody reads any more
                    if pipe:
                        pipe.close()
        self.lock.release()

    def _kill(self) -> None:
        self.is_open = False
        process.kill_process(self._process)

    def _send(self, text: str, end: float) -> bytes:
        """Send text to the shell and return the line that it prints; empty if it has ended."""
        assert self._process.stdin  # noqa: S101 - start_interactive opens pipes
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        except (OSError, ValueError):  # it ended, or another thread has just closed it
            self._kill()
            return b""
        line = b""
        while self.is_open and not line.endswith(b"\n"):
            line += self._read(1, end)
        return line if line.endswith(b"\n") else b""

    def _read(self, size: int, end: float) -> bytes:
        assert self._process.stdout  # noqa: S101 - start_interactive opens pipes
        descriptor = self._process.stdout.fileno()
        readable = select.poll()
        readable.register(descriptor, select.POLLIN)
        data = bytearray()
        while self.is_open and len(data) < size:
            if not readable.poll(1000 * max(0, end - time.monotonic())):
                self._kill()
                raise TimeoutError
            chunk = os.read(descriptor, size - len(data))
            data += chunk
            if not chunk:
                self._kill()
        return bytes(data)


class OpenShells:
    """The open shells of an engine, at most one in each container. Thread-safe."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._shells: dict[str, ShellSession] = {}
        self._mutex = threading.Lock()

    def run(
        self, container: str, argv: Sequence[str], stdin: str | None, env: Mapping[str, str] | None, timeout: float
    ) -> CompletedProcess | None:
        """Run a command in the container's open shell.

        Returns None if another thread uses the shell or none can be opened.
        """
        with self._mutex:
            shell = self._shells.get(container)
            if not shell or not shell.is_open:
                shell = ShellSession([self._engine, "exec", "--interactive", container, "sh"])
                self._shells[container] = shell
        if not shell.lock.acquire(blocking=False):
            return None
        try:
            started = time.monotonic()
            if not shell.connect(timeout):
                return None
            completed = shell.run(argv, stdin, env, timeout - (time.monotonic() - started))
            command, output = [self._engine, "exec", container, *argv], completed.stdout + completed.stderr
            journal.record_command(command, completed.exit_code, time.monotonic() - started, output)
            return completed
        finally:
            shell.release()

    def close(self, container: str) -> None:
        with self._mutex:
            shell = self._shells.pop(container, None)
        if shell:
            shell.close()


def _command_line(argv: Sequence[str], stdin: str | None, env: Mapping[str, str] | None) -> str:
    """Return the shell's command that runs `argv` in a subshell, its output going to files."""
    variables = [f"{name}={value}" for name, value in (env or {}).items()]
    command = shlex.join(["env", *variables, *argv] if variables else argv)
    source = "/dev/null" if stdin is None else "$files.in"
    write = f"printf %s {shlex.quote(stdin)} >$files.in; " if stdin is not None else ""
    return f"{write}(exec {command}) <{source} >$files.out 2>$files.err"
