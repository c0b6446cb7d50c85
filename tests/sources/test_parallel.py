"""Several things at a time, ended together."""

from __future__ import annotations

import threading
import time

import pytest

from kubeparcel.sources.parallel import Stop, Stopped, each


def test_results_come_in_the_order_of_the_items():
    def work(item: int, stop: Stop) -> int:
        time.sleep(0.01 * (3 - item))
        return item * item

    assert each(work, [0, 1, 2, 3]) == [0, 1, 4, 9]
    assert each(work, []) == []


def test_no_more_than_the_width_run_at_a_time():
    running: set[int] = set()
    most: list[int] = []

    def work(item: int, stop: Stop) -> None:
        running.add(item)
        most.append(len(running))
        time.sleep(0.02)
        running.remove(item)

    each(work, range(8), width=3)
    assert max(most) == 3


def test_the_first_error_is_raised_and_the_others_end():
    ended = threading.Event()

    def work(item: int, stop: Stop) -> None:
        if item == 0:
            raise ValueError("no")
        try:
            stop.wait(10)
        except Stopped:
            ended.set()
            raise

    started = time.monotonic()
    with pytest.raises(ValueError, match="no"):
        each(work, [0, 1])
    assert time.monotonic() - started < 1
    assert ended.is_set()


def test_what_a_thread_waits_for_is_interrupted():
    woken = threading.Event()

    def work(item: int, stop: Stop) -> None:
        if item == 0:
            time.sleep(0.05)
            raise ValueError("no")
        with stop.interrupting(woken.set):
            woken.wait(10)

    with pytest.raises(ValueError, match="no"):
        each(work, [0, 1])
    assert woken.is_set()


def test_a_thread_that_cannot_be_woken_holds_nobody_up():
    def work(item: int, stop: Stop) -> None:
        time.sleep(3)

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        each(work, [0], within=0.1)
    assert time.monotonic() - started < 2
