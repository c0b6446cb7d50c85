"""Fixtures of the repository tests: a signing key, a repository, buckets, runs of tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.package_builders import deb
from tests.support.repository_fixtures import (
    bucket,
    configuration,
    dist,
    key,
    newer,
    proxy,
    publish,
    repo,
    server,
    session_key,
)
from tests.support.task_runs import Run, runner


@pytest.fixture
def run(workdir: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a task in an empty folder; return its exit code, stdout and stderr."""
    return runner(capsys)


@pytest.fixture
def destination(workdir: Path) -> Path:
    """Where to publish `dist`, which has three versions of the package `own`, unknown to the catalog."""
    for version in ("1.0-1", "1.1-1", "1.2-1"):
        deb(workdir / "dist", "own", version)
    return workdir / "repo"


def run_json(run: Run, *words: object) -> dict[str, Any]:
    """Return the JSON document of a task that succeeds."""
    code, out, _ = run(*words, "--json")
    assert code == 0
    return json.loads(out)
