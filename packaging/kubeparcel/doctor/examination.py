"""Examines a repository as its clients see it: signatures, digests, what is missing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from kubeparcel.console import Log
from kubeparcel.doctor import apt, consistency, discovery, keys, package_files, yum
from kubeparcel.doctor.discovery import Found
from kubeparcel.doctor.findings import Examined
from kubeparcel.doctor.http_reader import Web
from kubeparcel.doctor.keys import YEAR, Ring
from kubeparcel.doctor.reader import Source, open_source
from kubeparcel.doctor.report import Diagnosis
from kubeparcel.errors import Unreachable, UsageError


@dataclass(frozen=True)
class Wanted:
    """What is to be examined, and how.

    `where` is a URL or a folder. `key` is a file with the public keys to trust, or a key's name;
    without one it is what the repository hands out. `suites` are the only ones that matter.
    `quick` leaves package files out. Keys and signatures have to hold for `horizon` days from
    `now` on, which is in seconds since 1970.
    """

    where: str
    key: str = ""
    suites: Sequence[str] = ()
    quick: bool = False
    horizon: int = YEAR
    now: float | None = None


def examine(wanted: Wanted, log: Log) -> Diagnosis:
    """Examine the apt and yum repositories at, or below, a place.

    Raises UsageError when there is none, Unreachable or DownloadError when it cannot be read.
    """
    source, suite = open_source(wanted.where)
    return examined(source, wanted, log, (*wanted.suites, *([suite] if suite else [])))


def examined(source: Source, wanted: Wanted, log: Log, suites: Sequence[str] = ()) -> Diagnosis:
    """The same for a repository that is open already."""
    started = time.monotonic()
    found = discovery.find(source, suites)
    if not found.suites and not found.yums:
        raise _nothing(source, wanted.where, suites)
    now = time.time() if wanted.now is None else wanted.now
    with keys.trusted(source, found, wanted.key, now, wanted.horizon) as ring:
        rows = list(_repositories(source, found, ring, wanted, log))
        if ring.binary:
            ring.judge()
    if not suites:
        count = len(found.suites)
        rows += consistency.orphans(
            source, found, rows[:count], rows[count : count + len(found.yums)]
        )
    seconds = time.monotonic() - started
    return Diagnosis(source.where, (ring.examined, *rows), seconds, wanted.quick)


def _repositories(
    source: Source, found: Found, ring: Ring, wanted: Wanted, log: Log
) -> list[Examined]:
    apts = [apt.examine(source, one, found.subject(one), ring) for one in found.suites]
    yums = [yum.examine(source, one, found.subject(one), ring) for one in found.yums]
    both = (*apts, *yums)
    if not wanted.quick:
        bases = (*(suite.base for suite in found.suites), *found.yums)
        package_files.examine(source, list(zip(bases, both, strict=True)), ring, log)
    for one in both:
        if not one.whole:
            one.remark("an index could not be read: what may be missing was not judged")
        else:
            consistency.closure(one)
            consistency.companions(one)
    return [*both, *consistency.formats(found, apts, yums)]


def _nothing(source: Source, where: str, suites: Sequence[str]) -> UsageError | Unreachable:
    if isinstance(source, Web) and source.refused:
        return Unreachable(
            f"{source.refused[0]}: the server does not let us read (403).",
            "Is the address right? It may want a user and password: put them into ~/.netrc.",
        )
    named = f" with a suite {' or '.join(suites)}" if suites else ""
    return UsageError(
        f"There is no apt and no yum repository at {where}{named}.",
        "An apt repository has dists/SUITE/InRelease, a yum repository repodata/repomd.xml. "
        "Where folders cannot be listed, --suite NAME says what to look for.",
    )
