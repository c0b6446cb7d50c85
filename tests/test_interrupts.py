"""Ctrl-C reaches a program wherever it waits."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.checkout import ROOT
from tests.support.waiting import TIMEOUT

TRIALS = 100


def run_python(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=5 * TIMEOUT)


def test_interrupts_at_random_moments_end_a_program_and_what_it_started():
    """Once in some hundred trials an interrupt was lost, or a program left running."""
    result = run_python("-m", "tests.support.interrupt_trials", str(TRIALS))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"interrupted": TRIALS}


def test_signal_that_does_not_interrupt_the_system_call_is_handled_while_it_waits():
    """Another thread receives it, as between the main thread's last instruction and its system call."""
    script = """
import os, signal, threading
from kubeparcel.interrupts import handle_interrupts
handle_interrupts(signal.default_int_handler)
interrupt = lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT)
threading.Timer(0.2, interrupt).start()
os.read(os.pipe()[0], 1)
"""
    result = run_python("-c", script)
    assert "KeyboardInterrupt" in result.stderr


def test_handling_interrupts_again_opens_no_descriptors():
    """A program that runs many tasks, such as a test session, ran out of those that select() takes."""
    script = """
import os, signal
from kubeparcel.interrupts import handle_interrupts
counts = []
for _ in range(3):
    handle_interrupts(signal.default_int_handler)
    counts.append(len(os.listdir("/proc/self/fd")))
print(len(set(counts)))
"""
    result = run_python("-c", script)
    assert (result.returncode, result.stdout) == (0, "1\n")
