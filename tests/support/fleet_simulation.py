"""A synthetic fleet for measuring: many releases with a lock, of which nothing is fetched or built."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

from kubeparcel.build.lock import lockfile
from kubeparcel.build.matrix import BuildMatrix, plan_matrix
from kubeparcel.config.releases import load_releases
from kubeparcel.console import QuietLog
from kubeparcel.model import Arch
from tests.support.fake_sources import locked
from tests.support.memory import peak_megabytes


def write_fleet(folder: Path, minors: int = 5, patches: int = 15) -> None:
    """Write kubeparcel.yaml and kubeparcel.lock of so many releases for four architectures."""
    rows, locks = [], []
    for minor in range(37 - minors, 37):
        for patch in range(patches):
            version = f"1.{minor}.{patch}"
            rows.append(f'  - kubernetes: "{version}"')
            lock = locked(version, f"1.{minor}.0", f"1.{minor - 27}.0", tuple(Arch))
            locks.append(dataclasses.replace(lock, request=dataclasses.replace(lock.request, kubernetes=version)))
    (folder / "kubeparcel.yaml").write_text("\n".join([f"arch: [{', '.join(Arch)}]", "releases:", *rows, ""]))
    lockfile.write_all(locks, folder / lockfile.NAME)


def plan(folder: Path) -> BuildMatrix:
    """Plan the fleet of a folder as `inv plan --locked` does."""
    return plan_matrix(load_releases({}, folder), QuietLog(), locked=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    started = time.process_time()
    jobs = len(plan(folder).jobs)
    print(json.dumps({"jobs": jobs, "seconds": time.process_time() - started, "peak_mb": peak_megabytes()}))
