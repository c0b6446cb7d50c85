"""What all tests share: an isolated environment, and the fixtures of fake sources, stores and logs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kubeparcel.lock_models import Binaries, Lock
from kubeparcel.store import Store
from tests.support.fake_sources import locked, replace_sources, stored
from tests.support.recording_log import RecordingLog

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script, where Ctrl-C is ignored, by whatever we start too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_REMOVED = ("SOURCE_DATE_EPOCH", "CI", "NO_COLOR", "HTTP_PROXY", "ALL_PROXY")
SKIPS_FAIL = os.environ.get("CI") == "true"


def _fail_skipped() -> Iterator[None]:
    """Where everything is installed (CI=true), a skipped test or module is a failure."""
    report: Any = yield
    if SKIPS_FAIL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    return (yield from _fail_skipped())


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    return (yield from _fail_skipped())


@pytest.fixture(autouse=True)
def isolated_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A separate cache, and none of the user's environment variables.

    Acceptance tests bring their own.
    """
    if request.node.get_closest_marker("acceptance"):
        return
    isolate_environment(monkeypatch, request.getfixturevalue("tmp_path") / "cache")


def isolate_environment(patch: pytest.MonkeyPatch, cache: Path) -> None:
    """Remove the variables that kubeparcel reads and those of proxies, and use this cache."""
    for name in list(os.environ):
        if name.startswith("KUBEPARCEL_") or name.upper() in _REMOVED:
            patch.delenv(name)
    patch.setenv("KUBEPARCEL_CACHE", str(cache))
    patch.setenv("KUBEPARCEL_CONFIG", str(cache.with_name("config")))


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    folder = tmp_path / "workdir"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def lock() -> Lock:
    """Kubernetes 1.36.3 for amd64, as upstream publishes it."""
    return locked()


@pytest.fixture
def binaries(lock: Lock, store: Store) -> Binaries:
    """The lock's binaries, small and fake, in the store."""
    return stored(lock.artifacts, store)


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
def timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of progress messages: everything takes no time."""
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    for module in ("kubeparcel.console", "kubeparcel.verify.progress"):
        monkeypatch.setattr(f"{module}.time", clock)


@pytest.fixture
def fake_sources(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that replaces the real sources."""
    return partial(replace_sources, monkeypatch)
