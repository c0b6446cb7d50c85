"""The number of containers that run in parallel."""

import os

from kubeparcel.hosts import session


def test_available_memory_includes_the_page_cache(tmp_path):
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 24000000 kB\nMemFree: 300000 kB\nMemAvailable: 21000000 kB\n")
    assert session._available_mb(file) == 21_000


def test_default_workers_depend_on_memory_and_processors(monkeypatch):
    monkeypatch.setattr(session, "_available_mb", lambda: 500)
    assert session.default_workers() == 1
    monkeypatch.setattr(session, "_available_mb", lambda: 64_000)
    assert session.default_workers() == len(os.sched_getaffinity(0)) + 1
