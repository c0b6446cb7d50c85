"""The program's name in messages."""

import io

import pytest
from rich.console import Console

from kubeparcel.console import LiveLog, create_log
from kubeparcel.program_name import program_name, with_program_name


@pytest.mark.parametrize(
    ("started_as", "name"),
    [
        ("/home/me/checkout/tasks.py", "./inv"),
        ("/home/me/.venv/bin/inv", "inv"),
        ("/usr/bin/invoke", "inv"),
        ("/usr/bin/kubeparcel", "kubeparcel"),
        ("/usr/lib/python3/kubeparcel/__main__.py", "kubeparcel"),
        ("", "kubeparcel"),
    ],
)
def test_program_name_is_what_the_user_typed(monkeypatch, started_as, name):
    monkeypatch.setattr("sys.argv", [started_as])
    assert program_name() == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Run inv resolve.", "Run ./inv resolve."),
        ("inv --list lists them; inv hosts too", "./inv --list lists them; ./inv hosts too"),
        ("(inv publish --address URL)", "(./inv publish --address URL)"),
        ("./inv build", "./inv build"),
        ("/usr/bin/inv build", "/usr/bin/inv build"),
        ("inv", "inv"),
        ("inv: a folder, inv 1.36", "inv: a folder, inv 1.36"),
    ],
)
def test_with_program_name_replaces_only_commands(monkeypatch, text, shown):
    monkeypatch.setattr("sys.argv", ["tasks.py"])
    assert with_program_name(text) == shown


@pytest.mark.parametrize("quiet", [False, True])
def test_log_names_the_program_as_it_was_started(monkeypatch, capsys, quiet):
    monkeypatch.setattr("sys.argv", ["tasks.py"])
    log = create_log(quiet)
    log.warn("The lock is old. Renew it: inv resolve")
    log.info("Next", "inv verify")
    error = capsys.readouterr().err
    assert "The lock is old. Renew it: ./inv resolve\n" in error
    assert quiet or "Next       ./inv verify\n" in error


def test_progress_bars_name_the_program_as_it_was_started(monkeypatch):
    monkeypatch.setattr("sys.argv", ["tasks.py"])
    stream = io.StringIO()
    log = LiveLog(Console(file=stream))
    log.info("Next", "inv verify")
    log.warn("Renew it: inv resolve")
    assert "./inv verify" in stream.getvalue()
    assert "./inv resolve" in stream.getvalue()
