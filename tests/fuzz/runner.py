"""Run a reader on damaged seeds until the time is over, and keep what fails."""

from __future__ import annotations

import hashlib
import random
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeparcel.packages.errors import MalformedData
from tests.fuzz.targets import TARGETS

FINDINGS = Path(__file__).parent / "findings"
SLOW = 5.0
"""A case that takes more seconds is a finding."""


@dataclass(frozen=True)
class Finding:
    """Damaged bytes with which a reader fails, and where it does."""

    target: str
    data: bytes
    kind: str
    trace: str

    def save(self, folder: Path = FINDINGS) -> Path:
        """Write the bytes to a file, whose name begins with the target's."""
        file = folder / f"{self.target}.{hashlib.sha256(self.data).hexdigest()[:12]}"
        file.write_bytes(self.data)
        return file


def try_case(target: str, data: bytes) -> Finding | None:
    """Return a finding if the reader neither returns in time nor raises MalformedData."""
    started = time.monotonic()
    try:
        TARGETS[target].read(data)
    except MalformedData:
        pass
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.name}"
        return Finding(target, data, kind, traceback.format_exc())
    seconds = time.monotonic() - started
    return Finding(target, data, "slow", f"{seconds:.1f} s") if seconds > SLOW else None


def cases(target: str, seed: int) -> Iterator[bytes]:
    """Yield damaged seeds without end, the same ones for the same number."""
    chance = random.Random(f"{target} {seed}")
    while True:
        yield TARGETS[target].damage(chance.choice(TARGETS[target].seeds), chance)


def fuzz(target: str, seed: int, seconds: float, count: int = 1 << 40) -> tuple[int, dict[str, Finding]]:
    """Try cases for some seconds, at most `count`; return their number and a finding of each kind."""
    end, tried = time.monotonic() + seconds, 0
    findings: dict[str, Finding] = {}
    for data in cases(target, seed):
        if tried == count or time.monotonic() > end:
            break
        tried += 1
        finding = try_case(target, data)
        if finding:
            findings.setdefault(finding.kind, finding)
    return tried, findings
