"""Other programs: their output, their failures, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.errors import ToolError
from kubeparcel.process import find_program, kill_all_processes, run, start_interactive
from tests.support.waiting import TIMEOUT, wait_for_line, wait_until_gone


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_output_of_a_program_is_returned_and_not_printed(capfd):
    result = run(["sh", "-c", "echo out; echo err >&2"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\n", "err\n")
    assert capfd.readouterr() == ("", "")


def test_arguments_are_passed_unchanged():
    assert run(["printf", "%s|", "a b", "$HOME", "*", "'"]).stdout == "a b|$HOME|*|'|"


def test_program_inherits_the_environment_with_additions(monkeypatch):
    monkeypatch.setenv("OURS", "1")
    assert run(["sh", "-c", "echo $OURS $MORE"], env={"MORE": "2"}).stdout == "1 2\n"


def test_program_runs_in_the_given_folder(tmp_path):
    assert run(["pwd", "-P"], cwd=tmp_path).stdout == f"{tmp_path.resolve()}\n"


def test_program_reads_its_input_and_not_ours():
    assert run(["cat"], stdin="hello").stdout == "hello"
    assert run(["cat"]).stdout == ""


def test_program_with_a_listener_reads_its_input():
    heard: list[str] = []
    assert run(["sh", "-c", "cat; echo x >&2"], stdin="hello", on_line=heard.append).stdout == ("hello")
    assert heard == ["x"]


def test_output_is_utf_8_whatever_the_locale_says():
    script = r"from kubeparcel.process import run; print(ascii(run(['printf', r'\303\244']).stdout))"
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    result = subprocess.run(python(script), env=env, capture_output=True, text=True, check=True)
    assert result.stdout == r"'\xe4'" + "\n"


def test_output_that_is_not_text_is_decoded_with_replacements():
    assert run(["printf", r"a\377b"]).stdout == "a\ufffdb"


def test_failure_shows_the_command_its_exit_code_and_its_output():
    with pytest.raises(ToolError) as caught:
        run(["sh", "-c", "echo out; echo why >&2; exit 3"])
    assert str(caught.value) == ("sh -c 'echo out; echo why >&2; exit 3' failed with exit code 3.\n  out\n  why")
    assert caught.value.exit_code == 3


def test_a_failure_shows_the_last_lines_of_much_output():
    with pytest.raises(ToolError) as caught:
        run(python("import sys; [print(i) for i in range(1000)]; sys.exit(1)"))
    assert caught.value.hint.splitlines() == [str(i) for i in range(940, 1000)]


def test_failure_can_be_returned_instead_of_raised():
    assert run(["sh", "-c", "exit 7"], check=False).exit_code == 7


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["false"], "It printed nothing"),
        (["sh", "-c", "kill -9 $$"], "was killed by SIGKILL"),
        (["no-such-program"], "no-such-program is not installed"),
    ],
)
def test_failure_without_output_death_by_a_signal_and_a_missing_program_are_named(command, message):
    with pytest.raises(ToolError, match=message):
        run(command)


def test_a_missing_folder_is_not_taken_for_a_missing_program(tmp_path):
    with pytest.raises(ToolError, match=f"no such folder: {tmp_path}/nowhere"):
        run(["true"], cwd=tmp_path / "nowhere")


def test_program_without_execute_permission_is_reported(tmp_path):
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    with pytest.raises(ToolError, match="tool cannot be started: Permission denied"):
        run([tmp_path / "tool"])


def test_find_program_returns_its_path(tmp_path, monkeypatch):
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("tool", "") == tmp_path / "tool"


def test_missing_program_is_reported_with_a_hint():
    with pytest.raises(ToolError, match=r"not found on PATH\)\.\n  Install it\."):
        find_program("no-such-program", "Install it.")


def test_lines_of_standard_error_reach_the_listener_at_once(tmp_path):
    """The program goes on when its first line was seen, and not before."""
    seen: list[str] = []

    def on_line(line: str) -> None:
        seen.append(line)
        (tmp_path / "seen").touch()

    script = "echo one >&2; until [ -e seen ]; do sleep 0.01; done; echo two >&2; echo out"
    result = run(["sh", "-c", script], cwd=tmp_path, timeout=TIMEOUT, on_line=on_line)
    assert (seen, result.stdout, result.stderr) == (["one", "two"], "out\n", "one\ntwo\n")


@pytest.mark.parametrize("listening", [False, True])
def test_much_output_on_both_pipes_does_not_block(listening):
    text = "import sys; [print('x' * 99, file=s) for i in range(5000) for s in (sys.stdout, "
    lines: list[str] = []
    result = run(python(text + "sys.stderr)]"), timeout=TIMEOUT, on_line=lines.append if listening else None)
    assert len(result.stdout) == len(result.stderr) == 500_000
    assert len(lines) == (5000 if listening else 0)


def child_of_a_slow_program(pids: Path, then: str, listening: bool) -> int:
    """Return the child of a program that took too long.

    A slow machine may take longer to start the child; then the program gets more time.
    """
    script = f"sleep 300 & echo $! > {pids}; {then}"
    for limit in (0.5, 5, 50):
        started = time.monotonic()
        with pytest.raises(ToolError, match=rf"took longer than {limit:g} s"):
            run(["sh", "-c", script], timeout=limit, on_line=(lambda _: None) if listening else None)
        assert time.monotonic() - started < limit + TIMEOUT
        if pids.exists() and pids.read_text():
            return int(pids.read_text())
    raise AssertionError("the program started no child")


@pytest.mark.parametrize("listening", [False, True])
def test_program_that_times_out_is_killed_with_its_children(tmp_path, listening):
    assert wait_until_gone(child_of_a_slow_program(tmp_path / "pids", "sleep 300", listening))


@pytest.mark.parametrize("listening", [False, True])
def test_children_of_a_finished_program_are_killed_after_the_timeout(tmp_path, listening):
    """The child keeps the pipes open, so its parent's output is not complete."""
    assert wait_until_gone(child_of_a_slow_program(tmp_path / "pids", "true", listening))


def test_program_that_ends_before_the_timeout_succeeds():
    assert run(["true"], timeout=TIMEOUT, on_line=lambda _: None).exit_code == 0


def test_failing_listener_ends_the_program(tmp_path):
    def fail(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError, match="oh"):
        run(["sh", "-c", f"sleep 300 & echo $! > {tmp_path}/pids; echo oh >&2; sleep 300"], on_line=fail)
    assert wait_until_gone(int((tmp_path / "pids").read_text()))


@pytest.mark.parametrize("listening", [False, True])
def test_ctrl_c_ends_the_program_and_its_children(tmp_path, listening):
    inner = f"sleep 300 & echo $$ $! > {tmp_path}/pids; wait"
    script = (
        "import signal; from kubeparcel.interrupts import handle_interrupts; from kubeparcel.process import run\n"
        "handle_interrupts(signal.default_int_handler)\n"
        f"run(['sh', '-c', {inner!r}], on_line={'print' if listening else None})"
    )
    with subprocess.Popen(python(script), stderr=subprocess.PIPE) as process:
        pids = [int(word) for word in wait_for_line(tmp_path / "pids").split()]
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=TIMEOUT)
    assert b"KeyboardInterrupt" in error
    assert [wait_until_gone(pid) for pid in pids] == [True, True]


@pytest.mark.parametrize("start", [run, start_interactive])
def test_program_that_is_starting_at_ctrl_c_is_killed_too(monkeypatch, start):
    real, started = subprocess.Popen, []

    def interrupted(*words: Any, **options: Any) -> Any:
        started.append(real(*words, **options))
        os.kill(os.getpid(), signal.SIGINT)
        return started[0]

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(subprocess, "Popen", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            start(["sleep", "300"])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    with started[0] as process:
        ended = process.returncode
        process.kill()
    assert ended == -signal.SIGKILL


def test_program_that_starts_while_all_are_killed_is_killed_too(monkeypatch):
    real = subprocess.Popen

    def late(*words: Any, **options: Any) -> Any:
        process = real(*words, **options)
        kill_all_processes()
        return process

    monkeypatch.setattr(subprocess, "Popen", late)
    assert run(["sleep", "300"], check=False).exit_code == -signal.SIGKILL
