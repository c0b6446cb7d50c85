"""Signals: what an interrupted program prints, and which processes it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.waiting import TIMEOUT, wait_for_line, wait_until_gone


def python(*words: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start Python, in this environment with additions."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *words], env={**os.environ, **environment}, **pipes)


def test_interrupted_task_prints_how_to_continue(kubeparcel, fail_build):
    fail_build(KeyboardInterrupt())
    code, out, err = kubeparcel("build")
    assert (code, out) == (130, "")
    assert "No partial files were left; run the command again to continue." in err


SLOW_BUILD = """
import time
from kubeparcel import cli
from kubeparcel.build import pipeline
def slow(*_, **__):
    print("started", flush=True)
    while True:  # a signal just before a sleep is handled after it
        time.sleep(0.05)
pipeline.build = slow
cli.main(["kubeparcel", "build"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_program_with_130(workdir, number):
    with python("-c", SLOW_BUILD) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "Traceback" not in err


BUILD_IN_THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from kubeparcel import cli
from kubeparcel.build import pipeline
from kubeparcel.process import run
def work(*_, **__):
    command = "sleep 300 & echo $$ $!; exec >&-; wait"
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: run(["sh", "-c", f"{{ {command}; }} > {sys.argv[1]}"]), range(1)))
pipeline.build = work
cli.main(["kubeparcel", "build"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_kills_processes_that_other_threads_run(workdir, number):
    with python("-c", BUILD_IN_THREADS, workdir / "pids") as process:
        pids = [int(word) for word in wait_for_line(workdir / "pids").split()]
        process.send_signal(number)
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert [wait_until_gone(pid) for pid in pids] == [True, True]


@pytest.mark.parametrize("program", [["-m", "kubeparcel"], [str(ROOT / "tasks.py")]], ids=["kubeparcel", "inv"])
def test_interruption_while_the_program_is_imported_prints_no_traceback(workdir, program):
    (workdir / "click").mkdir()
    slow = "import time\nprint('importing', flush=True)\nwhile True:\n    time.sleep(0.05)\n"
    (workdir / "click/__init__.py").write_text(slow)
    with python(*program, "--list", PYTHONPATH=str(workdir)) as process:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err) == (-signal.SIGINT, "")
