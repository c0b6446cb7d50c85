"""As many hosts at a time as the machine has room for."""

from __future__ import annotations

import os

from kubeparcel.hosts import parallel_runs


def test_memory_that_only_holds_copies_of_files_counts_as_room(tmp_path):
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 24000000 kB\nMemFree: 300000 kB\nMemAvailable: 21000000 kB\n")
    assert parallel_runs._available_mb(file) == 21_000


def test_a_machine_without_room_does_one_at_a_time(monkeypatch):
    monkeypatch.setattr(parallel_runs, "_available_mb", lambda: 500)
    assert parallel_runs.default_workers() == 1
    monkeypatch.setattr(parallel_runs, "_available_mb", lambda: 64_000)
    assert parallel_runs.default_workers() == len(os.sched_getaffinity(0)) + 1
