"""A shell that stays open in a container, and runs one command after the other.

An engine needs a tenth of a second, and on a busy machine half of one, to let somebody in; a level
has hundreds of commands. Through an open shell each takes milliseconds.
"""

from __future__ import annotations

import os
import select
import shlex
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from kubeparcel import process
from kubeparcel.process import CompletedProcess

CONTAINER_ENDED = 137
"""The exit code of a command whose container ended meanwhile, as engines have it."""

_SHELL = "kept={place}/kubeparcel-visit.$$; umask 022; echo ready\n"
_ANSWER = """\
printf '%s %s %s\\n' $? $(wc -c <$kept.out) $(wc -c <$kept.err); cat $kept.out $kept.err
"""


class CommandTimeout(Exception):
    """A command was not done in time; the shell is closed."""


class ShellSession:
    """One open shell, `argv`. A command at a time: `lock` is to be held.

    What a command prints lies in `place` until the next one: a folder inside.
    """

    def __init__(self, argv: Sequence[str], folder: str = "/run") -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self._process = process.start_interactive(argv)
        self.is_open, self._greeted = True, False

    def connect(self, timeout: float) -> bool:
        """Whether the shell answers; False when the engine did not let us in."""
        if not self._greeted:
            hello = _SHELL.format(place=self.folder)
            self._greeted = self._send(hello, time.monotonic() + timeout) == b"ready\n"
        return self._greeted and self.is_open

    def run(
        self,
        argv: Sequence[str],
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> CompletedProcess:
        """Run a command to its end; raises Late after so many seconds."""
        end = time.monotonic() + timeout
        head = self._send(f"{_line(argv, stdin, env)}\n{_ANSWER}", end)
        if not head:
            return CompletedProcess(
                tuple(argv), CONTAINER_ENDED, "", "The container ended meanwhile."
            )
        code, *sizes = (int(word) for word in head.split())
        out, err = (self._read(size, end).decode("utf-8", "replace") for size in sizes)
        return CompletedProcess(tuple(argv), code, out, err)

    def close(self) -> None:
        """Nothing more is asked; a thread that waits for an answer is told that there is none."""
        self.is_open = False
        process.kill_process(self._process)
        if self.lock.acquire(blocking=False):
            self.release()

    def release(self) -> None:
        """Give the lock back. The pipes of a closed shell are closed by the last who has it."""
        if not self.is_open:
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):  # what nobody reads any more
                    if pipe:
                        pipe.close()
        self.lock.release()

    def _kill(self) -> None:
        """The same for the thread that has the lock."""
        self.is_open = False
        process.kill_process(self._process)

    def _send(self, text: str, end: float) -> bytes:
        """What the shell answers in a line; empty when it is gone."""
        assert self._process.stdin  # noqa: S101 - it was started so
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        except (OSError, ValueError):  # it ended, or another thread closed it just now
            self._kill()
            return b""
        found = b""
        while self.is_open and not found.endswith(b"\n"):
            found += self._read(1, end)
        return found if found.endswith(b"\n") else b""

    def _read(self, size: int, end: float) -> bytes:
        assert self._process.stdout  # noqa: S101 - it was started so
        at = self._process.stdout.fileno()
        found = bytearray()
        while self.is_open and len(found) < size:
            if not select.select([at], [], [], max(0, end - time.monotonic()))[0]:
                self._kill()
                raise CommandTimeout
            piece = os.read(at, size - len(found))
            found += piece
            if not piece:
                self._kill()
        return bytes(found)


def _line(argv: Sequence[str], stdin: str | None, env: Mapping[str, str] | None) -> str:
    """The shell's command for an argument list, in a process of its own."""
    names = [f"{name}={value}" for name, value in (env or {}).items()]
    words = shlex.join(["env", *names, *argv] if names else argv)
    given = "/dev/null" if stdin is None else "$kept.in"
    first = f"printf %s {shlex.quote(stdin)} >$kept.in; " if stdin is not None else ""
    return f"{first}(exec {words}) <{given} >$kept.out 2>$kept.err"
