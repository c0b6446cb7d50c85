"""Measures the whole program on the real binaries, next to other tools in the same run.

    ./inv bench                          everything (15 minutes)
    ./inv bench --only startup,again     some parts
    ./inv bench --only publish-many      100,000 packages

What counts are the ratios, because machines differ and are noisy. Short parts are run several times
and their median is given.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kubeparcel import paths
from kubeparcel.tables import format_table
from tests.bench import download, fleet, hosts, packages, publishing
from tests.bench.figures import Figure
from tests.bench.packages import Ground

PARTS: Mapping[str, Callable[[Ground, Path], Iterator[Figure]]] = {
    "startup": packages.startup,
    "again": packages.again,
    "template": packages.template,
    "download": download.fetched,
    "balanced": packages.balanced,
    "sboms": packages.sboms,
    "small": packages.small,
    "publish-deb": publishing.debs,
    "publish-rpm": publishing.rpms,
    "publish-large": publishing.large,
    "publish-steady": publishing.steady,
    "fleet": fleet.fleet,
    "hosts": hosts.verify_levels,
    "publish-many": publishing.many,
}
LONG = {"publish-many"}
"""Parts that run only if they are named: building 100,000 debs takes five minutes."""


def main() -> None:
    """Measure, print a table, and write the figures as JSON; exit code 1 when one misses."""
    parser = argparse.ArgumentParser(prog="inv bench")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--only", default=",".join(part for part in PARTS if part not in LONG))
    chosen = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=paths.cache_dir().parent) as name:
        scratch = Path(name)
        ground = Ground(scratch / "ground")
        for part in chosen.only.split(","):
            for figure in PARTS[part](ground, scratch):
                figures.append(figure)
                print(f"{figure.part}: {figure.value}", file=sys.stderr, flush=True)
    heads = ["Part", "What", "Measured", "Must reach", ""]
    rows = [[f.part, f.what, f.value, f.limit, "✓" if f.reached else "✗"] for f in figures]
    print(format_table(heads, rows))
    document = {"figures": [dataclasses.asdict(f) for f in figures]}
    chosen.json.write_text(json.dumps(document, indent=2) + "\n")
    raise SystemExit(0 if all(f.reached for f in figures) else 1)


if __name__ == "__main__":
    main()
