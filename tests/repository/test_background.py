"""Work in a copy of this process: its outcome is the work's own, whatever becomes of the copy."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.repository.background import beside


def held() -> tuple[str, int]:
    """The processes that are ours, and how many files are open."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return children, len(list(Path("/proc/self/fd").iterdir()))


def test_work_is_done_in_another_process() -> None:
    with beside(os.getpid) as result:
        assert result() != os.getpid()


def test_a_large_result_comes_whole() -> None:
    with beside(lambda: "x" * 5_000_000) as result:
        assert result() == "x" * 5_000_000


def test_an_error_of_the_work_is_raised_where_the_result_is_asked_for() -> None:
    def fails() -> None:
        raise UsageError("It cannot be.", "Try another.")

    with beside(fails) as result, pytest.raises(UsageError, match="It cannot be") as caught:
        result()
    assert caught.value.hint == "Try another."


def test_work_whose_process_dies_is_done_here() -> None:
    here = os.getpid()

    def dies_elsewhere() -> int:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    with beside(dies_elsewhere) as result:
        assert result() == here


def test_half_a_result_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle, "dumps", lambda value: b"\x80\x04\x95")
    with beside(os.getpid) as result:
        assert result() == os.getpid()


def test_work_is_done_here_where_there_can_be_no_other_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", none)
    with beside(os.getpid) as result:
        assert result() == os.getpid()


def test_nothing_is_left_of_work_that_nobody_waits_for() -> None:
    before = held()
    with pytest.raises(KeyError), beside(signal.pause):
        raise KeyError
    assert held() == before
