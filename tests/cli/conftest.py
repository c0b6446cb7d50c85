"""Runs the program in this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubeparcel.build import pipeline
from tests.support.task_runs import runner

Program = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kubeparcel(workdir, capsys) -> Iterator[Program]:
    """Run the program in an empty folder: exit code, standard output, standard error."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    yield runner(capsys)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.environ.pop("KUBEPARCEL_DEBUG", None)


@pytest.fixture
def fail_build(monkeypatch) -> Callable[[BaseException], None]:
    """Have every build raise this error."""

    def fail_with(error: BaseException) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(pipeline, "build", fail)

    return fail_with
