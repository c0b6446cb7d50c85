"""Run tasks of the program in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeparcel import cli

Run = Callable[..., tuple[int, str, str]]
"""A function that takes the words of a task: exit code, standard output, standard error."""


def exit_code(*words: object) -> int:
    """Run the program with these words and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["kubeparcel", *map(str, words)])
    return int(ended.value.code or 0)


def failure(run: Run, *words: object, code: int = 2) -> str:
    """Run a task that fails with this exit code, and return its standard error."""
    exit_code, _, error = run(*words)
    assert exit_code == code, error
    return error


def runner(capsys: pytest.CaptureFixture[str], *task: str) -> Run:
    """Return a function that runs a task, or with none any task, with the words that it gets."""
    return lambda *words: (exit_code(*task, *words), *capsys.readouterr())
