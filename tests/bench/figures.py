"""A measured row, and how a process is timed."""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kubeparcel import paths


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured row: ours, the peer's, and the ratio that must be reached."""

    part: str
    what: str
    value: str
    limit: str
    reached: bool


def compiled() -> dict[str, str]:
    """The environment in which Python keeps what it compiled: whoever installs a program has it."""
    place = paths.cache_dir() / "bench" / "compiled"
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(place)}


def timed(argv: Sequence[object], cwd: Path, env: Mapping[str, str] | None = None, code: int = 0) -> float:
    """The seconds of one whole process."""
    started = time.monotonic()
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **compiled(), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    if done.returncode != code:
        raise SystemExit(f"{argv}: {done.stdout}{done.stderr}")
    return seconds


def median(runs: int, once: Callable[[], float]) -> float:
    once()
    return statistics.median(once() for _ in range(runs))


def megabytes(files: Sequence[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6
