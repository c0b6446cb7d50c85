"""Interrupt programs that run others, at random moments: python -m tests.support.interrupt_trials TRIALS.

Prints a JSON object with the number of trials by outcome. Each trial forks before any thread exists;
its child starts a shell that starts a `sleep`, and gets SIGINT while it does so or soon after.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from kubeparcel.interrupts import handle_interrupts
from kubeparcel.process import run
from tests.support.waiting import has_ended

SECONDS = 10.0
"""How long an interrupted program may take to end; its own programs sleep for longer."""

INTERRUPTED = 42


def child(pids: Path, ready: int, *, listening: bool) -> None:
    """Run a program until Ctrl-C."""
    handle_interrupts(signal.default_int_handler)
    script = f"sleep 60 & echo $$ $! >{pids}; wait"
    try:
        os.write(ready, b"x")
        run(["sh", "-c", script], on_line=(lambda _: None) if listening else None)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    finally:
        os._exit(1)


def trial(pids: Path, *, listening: bool) -> str:
    """Fork a program, interrupt it, and return how it ended."""
    read_end, write_end = os.pipe()
    process = os.fork()
    if process == 0:
        child(pids, write_end, listening=listening)
    os.read(read_end, 1)
    os.close(read_end)
    os.close(write_end)
    time.sleep(random.uniform(0, 0.008))
    os.kill(process, signal.SIGINT)
    deadline = time.monotonic() + SECONDS
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return "lost"
        time.sleep(0.0005)
    if os.waitstatus_to_exitcode(ended[1]) != INTERRUPTED:
        return "other exit code"
    words = pids.read_text().split() if pids.exists() else []
    while not all(has_ended(int(word)) for word in words):
        if time.monotonic() > deadline:
            return "left its programs running"
        time.sleep(0.0005)
    return "interrupted"


def main() -> None:
    """Run the trials and print their outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Counter(
            trial(Path(folder) / str(number), listening=number % 8 > 0) for number in range(int(sys.argv[1]))
        )
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main()
