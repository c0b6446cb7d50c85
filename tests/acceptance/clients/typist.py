"""A person at a terminal: types commands on a host, and answers yes to what is asked."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time

from kubeparcel.hosts.container import Container

_ASKED = re.compile(r"(\[y/N\]: |\[Y/n\] |\(y\): )$")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def typed(box: Container, commands: str, patience: float = 300) -> str:
    """Run the commands one after another; give all that the terminal showed.

    Fails when one of them fails, or after `patience` seconds.
    """
    box.write_file("/tmp/typed", commands)
    argv = [box.engine.name, "exec", "-it", box.name, "sh", "-eux", "/tmp/typed"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            shown = _watched(ours, time.monotonic() + patience)
        except BaseException:
            process.kill()
            raise
        finally:
            os.close(ours)
    assert process.returncode == 0, shown
    return shown


def _watched(terminal: int, end: float) -> str:
    shown, answered = "", 0
    while True:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"no more came than:\n{shown}"
        try:
            data = os.read(terminal, 65_536)
        except OSError:  # Linux says EIO when the other side is gone
            return shown
        shown = _COLOURS.sub("", shown + data.decode("utf-8", "replace").replace("\r\n", "\n"))
        if _ASKED.search(shown, answered):
            answered = len(shown)
            os.write(terminal, b"y\n")
