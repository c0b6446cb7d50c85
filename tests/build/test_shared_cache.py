"""Builds on two machines with one remote cache, without Dask."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.build.preview import preview_releases
from kubeparcel.config.releases import load_releases
from kubeparcel.config.settings import load_settings
from kubeparcel.record_key import VARIABLE
from tests.support import one_release
from tests.support.recording_log import RecordingLog


@pytest.fixture
def remote(fake_sources, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fake_sources()
    monkeypatch.setenv(VARIABLE, "secret of the team")
    folder = workdir / "remote"
    folder.mkdir()
    return folder


def build(machine: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, RecordingLog]:
    """Build with the cache of a machine; return SHA256SUMS and the log."""
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(Path.cwd() / f"cache-{machine}"))
    log = RecordingLog()
    options = {"kubernetes": "1.36.3", "compression": "fast", "out": machine, "cache_remote": "remote"}
    one_release.build(load_settings(options), log)
    return (Path.cwd() / machine / "SHA256SUMS").read_text(), log


def test_second_machine_assembles_nothing_and_gets_the_same_bytes(remote, monkeypatch):
    first, log = build("one", monkeypatch)
    assert any("Assemble" in task for task in log.tasks)
    second, log = build("two", monkeypatch)
    assert second == first
    assert log.tasks == []


def test_dry_run_finds_the_packages_of_the_remote_and_downloads_none(remote, monkeypatch, log):
    build("one", monkeypatch)
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(Path.cwd() / "cache-two"))
    options = {"kubernetes": "1.36.3", "compression": "fast", "out": "two", "cache_remote": "remote"}
    (planned,) = preview_releases(load_releases(options), log, locked=False)
    assert {package.action for package in planned.packages} == {"cached"}
    assert not (Path.cwd() / "cache-two/sha256").exists()


def test_machines_without_a_common_secret_are_reported(remote, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    _, log = build("one", monkeypatch)
    assert any(VARIABLE in text for _, text in log.messages)
