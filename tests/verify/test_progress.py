"""Who watches a level on hosts: a line a scenario, a bar a host, nothing when quiet."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from kubeparcel.console import LiveLog, Log, PlainLog, QuietLog
from kubeparcel.reports.results import Check, Finding
from kubeparcel.verify.progress import show_progress

GOOD = Check("install", "life")
BAD = Check("purge", "life", findings=(Finding("nothing", "something"),))


def play(log: Log) -> None:
    """Two hosts: one scenario stops at its first check, which failed; the others are whole."""
    with show_progress(log, "install", {"trixie": [3, 1], "trixie-dnf": [2]}) as hosts:
        with hosts["trixie"].scenario("life", 3) as told:
            told(GOOD)
            told(BAD)
        with hosts["trixie-dnf"].scenario("life", 2) as told:
            told(GOOD)
            told(GOOD)
        with hosts["trixie"].scenario("alone", 1) as told:
            told(GOOD)


def lines() -> tuple[PlainLog, io.StringIO]:
    stream = io.StringIO()
    return PlainLog(stream, every=1000), stream


def test_plain_lines_tell_of_each_scenario_and_of_each_host_at_its_end(timeless):
    log, stream = lines()
    play(log)
    assert stream.getvalue().splitlines() == [
        "Install    trixie · life · 1 of 2 checks fails: purge · 0.0 s",
        "Install    trixie-dnf · life · 2 checks · 0.0 s",
        "Install    trixie-dnf · 2 checks · 0.0 s",
        "Install    trixie · alone · 1 check · 0.0 s",
        "Install    trixie · 4 checks · 0.0 s",
    ]


def test_now_and_then_a_plain_line_says_where_a_host_is():
    stream = io.StringIO()
    play(PlainLog(stream, every=0))
    assert "Install    trixie · 1 of 4 · life · install\n" in stream.getvalue()


def test_a_terminal_has_a_bar_a_host_and_lines_for_failures_only():
    stream = io.StringIO()
    play(LiveLog(Console(file=stream, force_terminal=True, highlight=False, width=100)))
    shown = stream.getvalue()
    assert "trixie-dnf" in shown
    assert "4 of 4 · alone" in shown
    assert "━" in shown
    assert "Install    trixie · life · 1 of 2 checks fails: purge" in shown
    assert "trixie-dnf · life · 2 checks" not in shown


def test_quiet_says_nothing(capsys):
    play(QuietLog())
    assert capsys.readouterr() == ("", "")


def test_a_host_whose_run_broke_off_is_not_called_done():
    log, stream = lines()
    with (
        pytest.raises(KeyboardInterrupt),
        show_progress(log, "install", {"trixie": [1]}) as hosts,
        hosts["trixie"].scenario("life", 1),
    ):
        raise KeyboardInterrupt
    assert stream.getvalue() == ""


def test_scenarios_of_one_host_may_end_in_several_threads(timeless):
    log, stream = lines()
    with (
        show_progress(log, "install", {"trixie": [5] * 40}) as hosts,
        ThreadPoolExecutor(8) as pool,
    ):

        def one(_: int) -> None:
            with hosts["trixie"].scenario("life", 5) as told:
                for _ in range(5):
                    told(GOOD)

        list(pool.map(one, range(40)))
    assert stream.getvalue().splitlines()[-1] == "Install    trixie · 200 checks · 0.0 s"
    assert len(stream.getvalue().splitlines()) == 41
