"""What a person sees while work goes on."""

from __future__ import annotations

import io

import pytest

from kubeparcel import console
from kubeparcel.console import LiveLog, PlainLog, QuietLog, duration, quantity
from kubeparcel.tables import format_table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(interval: float = 15.0) -> tuple[PlainLog, io.StringIO]:
    stream = io.StringIO()
    return PlainLog(stream, interval), stream


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            "dl.k8s.io does not answer\nThe same versions",
            "Source     dl.k8s.io does not answer\n           The same versions",
        ),
        ("", "Source"),
    ],
)
def test_message_has_its_label_in_front_and_further_lines_indented(message, text):
    log, stream = lines()
    log.info("Source", message)
    assert stream.getvalue().rstrip() == text
    assert stream.getvalue().endswith("\n")


def test_warning_is_labeled_as_one():
    log, stream = lines()
    log.warn("cri-tools 1.37 is not out")
    assert stream.getvalue() == "Warning    cri-tools 1.37 is not out\n"


def test_finished_task_prints_its_amount_and_duration(timeless):
    log, stream = lines()
    with log.task("Compile", "Kubernetes amd64", 3, "packages") as task:
        task.advance()
        task.advance(2)
    assert stream.getvalue() == "Compile    Kubernetes amd64 · 3 packages · 0.0 s\n"


def test_failed_task_is_not_reported_as_finished():
    log, stream = lines()
    with pytest.raises(ValueError, match="oh"), log.task("Compile", "Kubernetes", 3, "packages"):
        raise ValueError("oh")
    assert stream.getvalue() == ""


def test_long_task_prints_its_progress_now_and_then():
    log, stream = lines(interval=0)
    with log.task("Get", "kubelet", 84_400_000, "B") as task:
        task.advance(42_200_000)
        task.advance(0, "resumed")
    assert stream.getvalue().splitlines()[:2] == [
        "Get        kubelet · 42.2 MB of 84.4 MB",
        "Get        kubelet · resumed",
    ]


def test_task_may_print_messages():
    log, stream = lines()
    with log.task("Install", "trixie", 3, "checks") as task:
        task.info("life · 3 checks")
        assert stream.getvalue() == "Install    trixie · life · 3 checks\n"


def test_short_task_prints_nothing_until_its_end(timeless):
    log, stream = lines()
    with log.task("Get", "kubelet", None, "B") as task:
        for _ in range(100):
            task.advance(1000)
        assert stream.getvalue() == ""


def test_quiet_log_prints_only_warnings_on_standard_error(capsys):
    log = QuietLog()
    log.info("Release", "Kubernetes 1.36.3")
    with log.task("Get", "kubelet", 1) as task:
        task.advance()
    log.warn("cri-tools 1.37 is not out")
    assert capsys.readouterr() == ("", "Warning: cri-tools 1.37 is not out\n")


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (1204, "packages", "1,204 packages"),
        (2, "packages", "2 packages"),
        (1, "packages", "1 package"),
        (1, "binaries", "1 binary"),
        (0, "files", "0 files"),
        (3, "", "3"),
        (17_900_000, "B", "17.9 MB"),
        (11_671_600_000, "B", "11.7 GB"),
        (100_000, "B", "0.1 MB"),
        (1_500, "B", "1.5 kB"),
        (0, "B", "0.0 kB"),
    ],
)
def test_quantities_are_written_for_people(number, unit, text):
    assert quantity(number, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (59.97, "1:00"), (60, "1:00"), (130.4, "2:10")]
)
def test_durations_are_written_for_people(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("env", "terminal", "kind"),
    [({}, True, LiveLog), ({}, False, PlainLog), ({"CI": "true"}, True, PlainLog), ({"TERM": "dumb"}, True, PlainLog)],
)
def test_bars_are_for_terminals_and_plain_lines_for_all_else(monkeypatch, env, terminal, kind):
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", Terminal() if terminal else io.StringIO())
    assert type(console.create_log()) is kind


def test_quiet_wins_over_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    assert type(console.create_log(quiet=True)) is QuietLog


def test_table_is_folded_to_80_columns_between_words():
    text = format_table(
        ["Name", "Reason", "Size"],
        [["first", "a reason of many words " * 5, "17.9 MB"], ["second", "short", "1 kB"]],
        right=(2,),
    )
    rows = text.splitlines()
    assert max(map(len, rows)) <= 80
    assert rows[1].endswith("17.9 MB")
    assert rows[2].startswith("          many words")
    assert rows[-1].split() == ["second", "short", "1", "kB"]


def test_table_with_one_long_word_is_not_folded():
    path = "/a/" + "long-" * 30
    assert path in format_table(["Path"], [[path]])


def test_table_uses_the_width_of_the_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "200")
    assert len(format_table(["Reason"], [["word " * 30]]).splitlines()) == 2


def test_task_without_work_has_no_count(timeless):
    log, stream = lines()
    with log.task("Assemble", "packages", 0):
        pass
    assert stream.getvalue() == "Assemble   packages · 0.0 s\n"
