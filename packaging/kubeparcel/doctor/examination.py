"""Examines a repository as its clients see it: signatures, digests, what is missing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from kubeparcel.console import Log
from kubeparcel.doctor import apt, consistency, discovery, keys, package_files, yum
from kubeparcel.doctor.discovery import Discovery
from kubeparcel.doctor.factory import open_reader
from kubeparcel.doctor.findings import Subject
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.keys import DEFAULT_HORIZON_DAYS, TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.report import DoctorReport
from kubeparcel.errors import Unreachable, UsageError


@dataclass(frozen=True)
class Request:
    """What is to be examined, and how.

    `where` is a URL or a folder. `key` is a file with the public keys to trust, or a key's name;
    without one it is what the repository hands out. `suites` are the only ones that matter.
    `quick` leaves package files out. Keys and signatures have to hold for `horizon` days from
    `now` on, which is in seconds since 1970.
    """

    location: str
    key: str = ""
    suites: Sequence[str] = ()
    quick: bool = False
    horizon_days: int = DEFAULT_HORIZON_DAYS
    now: float | None = None


def examine(wanted: Request, log: Log) -> DoctorReport:
    """Examine the apt and yum repositories at, or below, a place.

    Raises UsageError when there is none, Unreachable or DownloadError when it cannot be read.
    """
    source, suite = open_reader(wanted.location)
    return examine_reader(source, wanted, log, (*wanted.suites, *([suite] if suite else [])))


def examine_reader(
    source: RepositoryReader, wanted: Request, log: Log, suites: Sequence[str] = ()
) -> DoctorReport:
    """The same for a repository that is open already."""
    started = time.monotonic()
    found = discovery.discover(source, suites)
    if not found.suites and not found.yum_folders:
        raise _nothing(source, wanted.location, suites)
    now = time.time() if wanted.now is None else wanted.now
    with keys.load_trusted_keys(source, found, wanted.key, now, wanted.horizon_days) as ring:
        rows = list(_repositories(source, found, ring, wanted, log))
        if ring.certificates:
            ring.check_keys()
    if not suites:
        count = len(found.suites)
        rows += consistency.orphans(
            source, found, rows[:count], rows[count : count + len(found.yum_folders)]
        )
    seconds = time.monotonic() - started
    return DoctorReport(source.location, (ring.subject, *rows), seconds, wanted.quick)


def _repositories(
    source: RepositoryReader, found: Discovery, ring: TrustedKeys, wanted: Request, log: Log
) -> list[Subject]:
    apts = [apt.examine(source, one, found.subject_name(one), ring) for one in found.suites]
    yums = [yum.examine(source, one, found.subject_name(one), ring) for one in found.yum_folders]
    both = (*apts, *yums)
    if not wanted.quick:
        bases = (*(suite.base for suite in found.suites), *found.yum_folders)
        package_files.examine(source, list(zip(bases, both, strict=True)), ring, log)
    for one in both:
        if not one.complete:
            one.add_remark("an index could not be read: what may be missing was not judged")
        else:
            consistency.closure(one)
            consistency.companions(one)
    return [*both, *consistency.formats(found, apts, yums)]


def _nothing(
    source: RepositoryReader, where: str, suites: Sequence[str]
) -> UsageError | Unreachable:
    if isinstance(source, HttpReader) and source.forbidden_urls:
        return Unreachable(
            f"{source.forbidden_urls[0]}: the server does not let us read (403).",
            "Is the address right? It may want a user and password: put them into ~/.netrc.",
        )
    named = f" with a suite {' or '.join(suites)}" if suites else ""
    return UsageError(
        f"There is no apt and no yum repository at {where}{named}.",
        "An apt repository has dists/SUITE/InRelease, a yum repository repodata/repomd.xml. "
        "Where folders cannot be listed, --suite NAME says what to look for.",
    )
