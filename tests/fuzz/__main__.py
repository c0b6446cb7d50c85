"""Fuzz all readers for some minutes: `python -m tests.fuzz --minutes N`."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.runner import fuzz
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Fuzz each reader for its share of the time; print and save findings; exit code 1 if there are any."""
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    failed = False
    print(f"seed {arguments.seed}")
    for target in TARGETS:
        count, findings = fuzz(target, arguments.seed, arguments.minutes * 60 / len(TARGETS))
        print(f"{target}: {count:,} cases, {len(findings)} kinds of failures", flush=True)
        for finding in findings.values():
            print(f"  {finding.kind}: {finding.save()}\n{finding.trace}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
