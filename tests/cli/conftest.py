"""The tasks, and fixtures that run them in this process or that replace the build."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kubeparcel import cli
from kubeparcel.build import pipeline
from kubeparcel.console import Log
from tests.support.task_runs import runner

Program = Callable[..., tuple[int, str, str]]
TASKS = {task.name: task for task in cli.TASKS}


@dataclass(frozen=True)
class BuildOutcome:
    """The part of a build's result that the task uses."""

    exit_code: int = 0
    changed: Sequence[Path] = (Path("dist/deb/a.deb"),)

    def as_text(self) -> str:
        return "a table"

    def as_json(self) -> str:
        return '{"packages": []}'


@pytest.fixture
def kubeparcel(workdir, capsys) -> Iterator[Program]:
    """Run the program in an empty folder: exit code, standard output, standard error."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    yield runner(capsys)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.environ.pop("KUBEPARCEL_DEBUG", None)


@pytest.fixture
def replace_build(monkeypatch) -> Callable[..., None]:
    """Have every build do this, and return a result with this exit code."""

    def replace(work: Callable[[Any, Log], object] = lambda *_: None, exit_code: int = 0) -> None:
        def build(releases: Any, log: Log, *, locked: bool) -> BuildOutcome:
            work(releases, log)
            return BuildOutcome(exit_code)

        monkeypatch.setattr(pipeline, "build", build)

    return replace


@pytest.fixture
def fail_build(replace_build) -> Callable[[BaseException], None]:
    """Have every build raise this error."""

    def fail_with(error: BaseException) -> None:
        def fail(*_: Any) -> None:
            raise error

        replace_build(fail)

    return fail_with
