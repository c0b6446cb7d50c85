"""Types commands in a terminal on a host, and answers prompts with yes."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time

from kubeparcel.hosts.container import Container

_PROMPT = re.compile(r"(\[y/N\]: |\[Y/n\] |\(y\): )$")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def type_commands(container: Container, commands: str, timeout: float = 300) -> str:
    """Run the commands in order and return what the terminal showed.

    Fails if a command fails, or after `timeout` seconds.
    """
    container.write_file("/tmp/typed", commands)
    argv = [container.engine.name, "exec", "-it", container.name, "sh", "-eux", "/tmp/typed"]
    terminal, child = pty.openpty()
    with subprocess.Popen(argv, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        try:
            shown = _watch(terminal, time.monotonic() + timeout)
        except BaseException:
            process.kill()
            raise
        finally:
            os.close(terminal)
    assert process.returncode == 0, shown
    return shown


def _watch(terminal: int, end: float) -> str:
    shown, answered = "", 0
    while True:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"the terminal stopped after:\n{shown}"
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # Linux reports EIO when the other side is closed
            return shown
        shown = _COLOURS.sub("", shown + data.decode("utf-8", "replace").replace("\r\n", "\n"))
        if _PROMPT.search(shown, answered):
            answered = len(shown)
            os.write(terminal, b"y\n")
