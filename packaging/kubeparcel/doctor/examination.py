"""Examines a repository as its clients see it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from kubeparcel.console import Log
from kubeparcel.doctor import consistency, package_files
from kubeparcel.doctor.apt import check_suite
from kubeparcel.doctor.attestations import check_attestations, is_promised
from kubeparcel.doctor.discovery import Discovery, nothing_found
from kubeparcel.doctor.findings import UNREADABLE_INDEX, CheckKind, Subject
from kubeparcel.doctor.keys import DEFAULT_HORIZON_DAYS, TrustedKeys, certificate_keys, load_trusted_keys
from kubeparcel.doctor.locations import RepositoryQuery, open_reader
from kubeparcel.doctor.mirrors import find_repository
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.report import DoctorReport
from kubeparcel.doctor.selection import Selection
from kubeparcel.doctor.yum import check_yum_repository
from kubeparcel.garbage import fewer_collections


@dataclass(frozen=True)
class ExaminationRequest(RepositoryQuery):
    """What to examine, and how; `components` limit it too.

    `quick` skips package files. Keys and signatures must remain valid for `horizon_days` from `now` (Unix time, the
    current time if None).
    """

    components: Sequence[str] = ()
    quick: bool = False
    horizon_days: int = DEFAULT_HORIZON_DAYS
    now: float | None = None

    @property
    def selection(self) -> Selection:
        return Selection.of(self.arches, self.components)


def examine(request: ExaminationRequest, log: Log) -> DoctorReport:
    """Examine the apt and yum repositories at, or below, a location.

    Of a mirrorlist or metalink, the first usable mirror is examined, on its own host or one in `follow`. Raises
    UsageError if there is no repository, Unreachable or DownloadError if it cannot be read.
    """
    reader, suites = open_reader(request.location, request.follow, request.suites)
    return examine_reader(reader, request, log, suites)


@fewer_collections()
def examine_reader(
    reader: RepositoryReader, request: ExaminationRequest, log: Log, suites: Sequence[str] = ()
) -> DoctorReport:
    """Examine an open repository: only these suites, if any are given."""
    started = time.monotonic()
    reader, discovery = find_repository(reader, suites, log)
    if not discovery:
        raise nothing_found(reader, request.location, suites)
    now = time.time() if request.now is None else request.now
    with load_trusted_keys(reader, discovery, request.key, now, request.horizon_days) as keys:
        subjects = _check_repositories(reader, discovery, keys, request, log)
        keys.check_keys()
        attested = []
        if is_promised(reader, discovery.state):
            known = {path: package.sha256 for subject in subjects for package, path in subject.locations.items()}
            whole = not (request.quick or suites or request.selection)
            public_keys = certificate_keys(keys.certificates)
            attested.append(check_attestations(reader, public_keys, known, log, whole=whole).subject)
    count = len(discovery.suites)
    yum_subjects = subjects[count : count + len(discovery.yum_folders)]
    if suites or request.selection:
        part = "suites" if suites else "architectures or components"
        subjects.append(consistency.orphans_not_run(f"only some {part} were examined"))
    else:
        subjects.append(consistency.check_orphans(reader, discovery, subjects[:count], yum_subjects))
    subjects += attested
    seconds = time.monotonic() - started
    return DoctorReport(reader.location, (keys.subject, *subjects), seconds, request.quick)


def _check_repositories(
    reader: RepositoryReader, discovery: Discovery, keys: TrustedKeys, request: ExaminationRequest, log: Log
) -> list[Subject]:
    """Return the subjects of apt suites, then of yum repositories, then of comparing the two."""
    selection = request.selection
    apt_subjects = [
        check_suite(reader, suite, discovery.subject_name(suite), keys, selection) for suite in discovery.suites
    ]
    yum_subjects = [
        check_yum_repository(reader, folder, discovery.subject_name(folder), keys, selection)
        for folder in discovery.yum_folders
    ]
    examined = [*apt_subjects, *yum_subjects]
    if request.quick:
        for subject in examined:
            package_files.mark_not_run(subject, "--quick")
    else:
        package_files.check_package_files(reader, examined, keys, log)
    for subject in examined:
        if subject.complete:
            consistency.check_closure(subject)
            consistency.check_companions(subject)
        else:
            subject.mark_not_run(UNREADABLE_INDEX, CheckKind.CLOSURE, CheckKind.COMPANIONS)
    return [*examined, *consistency.check_formats(discovery, apt_subjects, yum_subjects)]
