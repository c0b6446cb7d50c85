"""Commands through one open shell are what they would be each by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from kubeparcel.hosts.shell_session import CONTAINER_ENDED, CommandTimeout, ShellSession
from tests.conftest import TIMEOUT, wait_until


@pytest.fixture
def visit(tmp_path) -> Iterator[ShellSession]:
    """A shell of this machine, as an engine would open one in a container."""
    opened = ShellSession(["sh"], str(tmp_path))
    with opened.lock:
        assert opened.connect(TIMEOUT)
    yield opened
    opened.close()


def test_words_input_and_variables_arrive_as_they_were_given(visit):
    words = ["sh", "-c", 'printf "%s|" "$0" "$1" "$A"; cat', "it's", 'a "b" $c\n*']
    done = visit.run(words, stdin="line 1\nline 'two' €", env={"A": "x y"})
    assert done.stdout == "it's|a \"b\" $c\n*|x y|line 1\nline 'two' €"
    assert (done.exit_code, done.stderr, done.argv) == (0, "", tuple(words))


def test_output_errors_and_exit_code_are_told_apart(visit):
    done = visit.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert visit.run(["no-such-program"]).exit_code == 127


def test_a_command_that_reads_finds_nothing_and_does_not_eat_what_comes_next(visit):
    assert visit.run(["cat"]).stdout == ""
    assert visit.run(["echo", "next"]).stdout == "next\n"


def test_much_output_arrives_whole(visit):
    done = visit.run(["sh", "-c", "yes | head -c 3000001"])
    assert len(done.stdout) == 3_000_001


def test_a_command_changes_nothing_for_the_next(visit):
    visit.run(["sh", "-c", "cd /; umask 077; exit"])
    visit.run(["exit", "5"])
    assert visit.run(["sh", "-c", "umask"]).stdout == "0022\n"


def test_a_command_that_takes_too_long_closes_the_shell(visit):
    started = time.monotonic()
    with pytest.raises(CommandTimeout):
        visit.run(["sleep", "300"], timeout=0.2)
    assert time.monotonic() - started < TIMEOUT
    assert not visit.is_open


def test_a_shell_that_ends_meanwhile_is_said(visit):
    done = visit.run(["sh", "-c", "kill -KILL $PPID; sleep 1"])
    assert (done.exit_code, done.stderr) == (CONTAINER_ENDED, "The container ended meanwhile.")
    assert not visit.is_open


def test_a_thread_that_waits_is_told_at_once_when_another_closes_the_shell(visit):
    found = []

    def wait() -> None:
        visit.lock.acquire()
        try:
            found.append(visit.run(["sleep", "300"], timeout=300))
        finally:
            visit.release()

    thread = threading.Thread(target=wait)
    thread.start()
    assert wait_until(visit.lock.locked)
    time.sleep(0.2)
    visit.close()
    thread.join(TIMEOUT)
    assert [done.exit_code for done in found] == [CONTAINER_ENDED]


def test_where_none_can_be_opened_there_is_none():
    visit = ShellSession(["false"])
    assert not visit.connect(TIMEOUT)
    visit.close()
