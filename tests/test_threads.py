"""Several things at a time, ended together."""

from __future__ import annotations

import threading
import time

import pytest

from kubeparcel import threads
from kubeparcel.threads import Cancelled, CancelToken, parallel_map
from tests.support.waiting import TIMEOUT, wait_until


@pytest.fixture
def patient(monkeypatch):
    """Threads get as long to end as they need, on however slow a machine."""
    monkeypatch.setattr(threads, "GRACE", TIMEOUT)


def test_results_come_in_the_order_of_the_items():
    def work(item: int, stop: CancelToken) -> int:
        time.sleep(0.01 * (3 - item))
        return item * item

    assert parallel_map(work, [0, 1, 2, 3]) == [0, 1, 4, 9]
    assert parallel_map(work, []) == []


def test_no_more_than_the_width_run_at_a_time():
    running: set[int] = set()
    most: list[int] = []

    def work(item: int, stop: CancelToken) -> None:
        running.add(item)
        most.append(len(running))
        assert wait_until(lambda: max(most) >= 3)
        time.sleep(0.02)  # one more could come now
        running.remove(item)

    parallel_map(work, range(8), workers=3)
    assert max(most) == 3


def test_the_first_error_is_raised_and_the_others_end(patient):
    waits, ended = threading.Event(), threading.Event()

    def work(item: int, stop: CancelToken) -> None:
        if item == 0:
            waits.wait(TIMEOUT)
            raise ValueError("no")
        try:
            waits.set()
            stop.wait(TIMEOUT)
        except Cancelled:
            ended.set()
            raise

    with pytest.raises(ValueError, match="no"):
        parallel_map(work, [0, 1])
    assert ended.is_set()


def test_waiting_thread_is_interrupted(patient):
    waits, woken = threading.Event(), threading.Event()

    def work(item: int, stop: CancelToken) -> None:
        if item == 0:
            waits.wait(TIMEOUT)
            raise ValueError("no")
        with stop.on_cancel(woken.set):
            waits.set()
            woken.wait(TIMEOUT)

    with pytest.raises(ValueError, match="no"):
        parallel_map(work, [0, 1])
    assert woken.is_set()


def test_timeout_does_not_wait_for_a_blocked_thread():
    free, ended = threading.Event(), threading.Event()

    def work(item: int, stop: CancelToken) -> None:
        free.wait(TIMEOUT)
        ended.set()

    with pytest.raises(TimeoutError):
        parallel_map(work, [0], timeout=0.1)
    assert not ended.is_set()
    free.set()
    assert ended.wait(TIMEOUT)
