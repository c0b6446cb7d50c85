"""Progress of a level on hosts: a line per scenario, a bar per host, nothing when quiet."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from kubeparcel.console import LiveLog, Log, PlainLog, QuietLog
from kubeparcel.reports.results import Check, Finding
from kubeparcel.verify.progress import show_progress

PASSED = Check("install", "lifecycle")
FAILED = Check("purge", "lifecycle", findings=(Finding("no file", "a file"),))


def run_two_hosts(log: Log) -> None:
    """One scenario stops at its first check, which failed; the others are complete."""
    with show_progress(log, "install", {"trixie": [3, 1], "trixie-dnf": [2]}) as hosts:
        with hosts["trixie"].scenario("lifecycle", 3) as on_check:
            on_check(PASSED)
            on_check(FAILED)
        with hosts["trixie-dnf"].scenario("lifecycle", 2) as on_check:
            on_check(PASSED)
            on_check(PASSED)
        with hosts["trixie"].scenario("alone", 1) as on_check:
            on_check(PASSED)


def plain_log() -> tuple[PlainLog, io.StringIO]:
    stream = io.StringIO()
    return PlainLog(stream, interval=1000), stream


def test_plain_log_has_a_line_per_scenario_and_per_completed_host(timeless):
    log, stream = plain_log()
    run_two_hosts(log)
    assert stream.getvalue().splitlines() == [
        "Install    trixie · lifecycle · 1 of 2 checks failed: purge · 0.0 s",
        "Install    trixie-dnf · lifecycle · 2 checks · 0.0 s",
        "Install    trixie-dnf · 2 checks · 0.0 s",
        "Install    trixie · alone · 1 check · 0.0 s",
        "Install    trixie · 4 checks · 0.0 s",
    ]


def test_plain_log_reports_the_current_step_at_each_interval():
    stream = io.StringIO()
    run_two_hosts(PlainLog(stream, interval=0))
    assert "Install    trixie · 1 of 4 · lifecycle · install\n" in stream.getvalue()


def test_terminal_has_a_bar_per_host_and_lines_for_failures_only():
    stream = io.StringIO()
    run_two_hosts(LiveLog(Console(file=stream, force_terminal=True, highlight=False, width=100)))
    output = stream.getvalue()
    assert "trixie-dnf" in output
    assert "4 of 4 · alone" in output
    assert "━" in output
    assert "Install    trixie · lifecycle · 1 of 2 checks failed: purge" in output
    assert "trixie-dnf · lifecycle · 2 checks" not in output


def test_quiet_log_prints_nothing(capsys):
    run_two_hosts(QuietLog())
    assert capsys.readouterr() == ("", "")


def test_interrupted_host_is_not_reported_as_completed():
    log, stream = plain_log()
    with (
        pytest.raises(KeyboardInterrupt),
        show_progress(log, "install", {"trixie": [1]}) as hosts,
        hosts["trixie"].scenario("lifecycle", 1),
    ):
        raise KeyboardInterrupt
    assert stream.getvalue() == ""


def test_scenarios_of_one_host_can_end_in_several_threads(timeless):
    log, stream = plain_log()
    steps = [5] * 40
    with show_progress(log, "install", {"trixie": steps}) as hosts, ThreadPoolExecutor(8) as pool:

        def run_scenario(_: int) -> None:
            with hosts["trixie"].scenario("lifecycle", 5) as on_check:
                for _ in range(5):
                    on_check(PASSED)

        list(pool.map(run_scenario, range(40)))
    lines = stream.getvalue().splitlines()
    assert lines[-1] == "Install    trixie · 200 checks · 0.0 s"
    assert len(lines) == 41
