"""All package files of a repository, several at a time; one that suites share is read once."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from kubeparcel.console import Log
from kubeparcel.doctor import package_checks
from kubeparcel.doctor.findings import CheckKind, Fault, Subject
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.package_checks import FileCheck, FileResult
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.rpm_signatures import TODO
from kubeparcel.errors import ExternalError
from kubeparcel.model import Format
from kubeparcel.threads import CancelToken, parallel_map

_CONNECTIONS = 8
_MOST = 5
"""So many files in a row that cannot be had are no fault of files."""


def examine(
    source: RepositoryReader, subjects: Sequence[tuple[str, Subject]], ring: TrustedKeys, log: Log
) -> None:
    """Read the package files of all subjects; each comes with the folder its paths begin at."""
    wanted = {
        id(one): [
            FileCheck(p, f"{base}/{p.path}".lstrip("/"), one.digests.get(p) or {"sha256": p.sha256})
            for p in sorted(one.packages)
        ]
        for base, one in subjects
    }
    jobs = {(job.path, job.package): job for rows in wanted.values() for job in rows}
    seen = dict(zip(jobs, _all(source, tuple(jobs.values()), ring, log), strict=True))
    for _, one in subjects:
        _note(one, [(job, seen[job.path, job.package]) for job in wanted[id(one)]])


def _all(
    source: RepositoryReader, jobs: Sequence[FileCheck], ring: TrustedKeys, log: Log
) -> list[FileResult]:
    lock = threading.Lock()
    failed = 0

    def work(job: FileCheck, _: CancelToken) -> FileResult:
        nonlocal failed
        try:
            seen, again = package_checks.examine(source, job, ring), 0
        except ExternalError as error:
            again = failed + 1
            if again > _MOST:
                raise
            wrong = Fault(CheckKind.FILES, job.package.label, error.message, job.path, error.hint)
            seen = FileResult(0, (wrong,))
        with lock:
            failed = again
            task.advance(job.package.size)
        return seen

    width = _CONNECTIONS if isinstance(source, HttpReader) else max(2, len(os.sched_getaffinity(0)))
    total = sum(job.package.size for job in jobs)
    with log.task("Examine", f"{len(jobs):,} package files", total, "B") as task:
        return parallel_map(work, jobs, width)


def _note(one: Subject, rows: Sequence[tuple[FileCheck, FileResult]]) -> None:
    one.mark_run(CheckKind.FILES, CheckKind.INSIDE)
    one.bytes_read = sum(seen.size for _, seen in rows)
    for _, seen in rows:
        one.add_faults(seen.faults)
    rpms = [(job, seen) for job, seen in rows if job.package.format is Format.RPM]
    if not rpms:
        return
    one.mark_run(CheckKind.RPM_SIGNATURE)
    unsigned = [job for job, seen in rpms if not seen.signed]
    if len(unsigned) == len(rpms) > 1:
        said = f"none of {len(rpms):,} rpms has one"
        one.add_finding(CheckKind.RPM_SIGNATURE, "a signature in every rpm", said, hint=TODO)
        return
    for job in unsigned:
        one.add_finding(CheckKind.RPM_SIGNATURE, "a signature", "there is none", job.path, TODO)
