"""Commands in one open shell behave like commands started separately."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from kubeparcel.hosts.shell_session import CONTAINER_ENDED, ShellSession
from tests.support.waiting import TIMEOUT, wait_until


@pytest.fixture
def shell(tmp_path) -> Iterator[ShellSession]:
    """A shell of this machine, as an engine would open one in a container."""
    session = ShellSession(["sh"], str(tmp_path))
    with session.lock:
        assert session.connect(TIMEOUT)
    yield session
    session.close()


def test_arguments_input_and_variables_arrive_unchanged(shell):
    argv = ["sh", "-c", 'printf "%s|" "$0" "$1" "$A"; cat', "it's", 'a "b" $c\n*']
    result = shell.run(argv, stdin="line 1\nline 'two' €", env={"A": "x y"})
    assert result.stdout == "it's|a \"b\" $c\n*|x y|line 1\nline 'two' €"
    assert (result.exit_code, result.stderr, result.argv) == (0, "", tuple(argv))


def test_output_errors_and_exit_code_are_separate(shell):
    result = shell.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert shell.run(["no-such-program"]).exit_code == 127


def test_a_command_that_reads_gets_no_input_and_leaves_the_next_command_alone(shell):
    assert shell.run(["cat"]).stdout == ""
    assert shell.run(["echo", "next"]).stdout == "next\n"


def test_large_output_is_complete(shell):
    result = shell.run(["sh", "-c", "yes | head -c 3000001"])
    assert len(result.stdout) == 3_000_001


def test_a_command_does_not_affect_the_next_one(shell):
    shell.run(["sh", "-c", "cd /; umask 077; exit"])
    shell.run(["exit", "5"])
    assert shell.run(["sh", "-c", "umask"]).stdout == "0022\n"


def test_a_command_that_times_out_closes_the_shell(shell):
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        shell.run(["sleep", "300"], timeout=0.2)
    assert time.monotonic() - started < TIMEOUT
    assert not shell.is_open


def test_a_shell_that_ends_during_a_command_is_reported(shell):
    result = shell.run(["sh", "-c", "kill -KILL $PPID; sleep 1"])
    assert (result.exit_code, result.stderr) == (CONTAINER_ENDED, "The container ended while the command ran.")
    assert not shell.is_open


def test_closing_the_shell_from_another_thread_ends_a_waiting_command(shell):
    results = []

    def wait() -> None:
        shell.lock.acquire()
        try:
            results.append(shell.run(["sleep", "300"], timeout=300))
        finally:
            shell.release()

    thread = threading.Thread(target=wait)
    thread.start()
    assert wait_until(shell.lock.locked)
    time.sleep(0.2)
    shell.close()
    thread.join(TIMEOUT)
    assert [result.exit_code for result in results] == [CONTAINER_ENDED]


def test_connect_fails_if_the_program_exits_at_once():
    shell = ShellSession(["false"])
    assert not shell.connect(TIMEOUT)
    shell.close()
