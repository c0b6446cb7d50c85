"""Examines a repository as its clients see it: signatures, digests, what is missing."""

from __future__ import annotations

import time
from pathlib import Path

from ...errors import UsageError
from ...verify.report import Report
from . import aptrepo, between, keyring, yumrepo
from .finding import Examined, checks
from .reader import open_reader
from .search import find


def examine(where: str, *, key: Path | None = None, now: float | None = None) -> Report:
    """Examine the apt and yum repositories at a URL or in a folder.

    `key` is a file with the public keys to trust, when the repository does not have its own.
    Raises UsageError when there is no repository, Unreachable when nobody answers.
    """
    started = time.monotonic()
    moment = time.time() if now is None else now
    reader = open_reader(where)
    found = find(reader)
    if not found.suites and not found.yums:
        raise UsageError(
            f"There is no apt and no yum repository at {where}.",
            "An apt repository has dists/SUITE/InRelease, a yum repository repodata/repomd.xml.",
        )
    examined: list[Examined] = []
    with keyring.trusted(reader, found, key, moment) as ring:
        examined.append(ring.examined)
        apts = [aptrepo.examine(reader, suite, ring, moment) for suite in found.suites]
        yums = [yumrepo.examine(reader, base, ring) for base in found.yums]
    examined += [*apts, *yums, *between.orphans(reader, found, apts, yums)]
    examined += between.formats(apts, yums)
    rows = tuple(check for one in examined for check in checks(one))
    return Report("doctor", rows, time.monotonic() - started)
