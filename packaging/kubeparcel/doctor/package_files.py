"""Checks of package files: each is read once, in one pass, even if several suites list it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.doctor import locations
from kubeparcel.doctor.findings import NO_KEY, UNREADABLE_INDEX, CheckKind, Fault, FileDigest, Subject, differences
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.package_contents import (
    BROKEN_HINT,
    FileCheck,
    PackageBytes,
    contents_faults,
    file_checks,
    read_bytes,
)
from kubeparcel.doctor.reader import FolderReader, RepositoryReader
from kubeparcel.doctor.signatures import SIGN_RPM_HINT, rpm_signature_faults
from kubeparcel.errors import ExternalError
from kubeparcel.files import translate_os_errors
from kubeparcel.model import Format
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.rpm import header as rpm_header
from kubeparcel.threads import PROCESSORS, CancelToken, parallel_map

_CONNECTIONS = 8
_MAX_CONSECUTIVE_ERRORS = 5
"""After more failed downloads in a row the server is at fault, not the files."""

_MISSING_HINT = (
    "Clients fail to install it (404). Publish the file again, or remove it from the index. "
    "Of a copy of some architectures, examine those: --arch."
)
_DIFFERENT_HINT = "Clients refuse to install it. Publish the right file again, with a higher revision."


@dataclass(frozen=True)
class FileResult:
    """Bytes read and faults of a file.

    `inspected` is false if the file is missing, broken, or not the listed one. `signed` is false
    for an rpm without any signature.
    """

    size: int
    faults: tuple[Fault, ...]
    inspected: bool = False
    signed: bool = True


def check_package_files(reader: RepositoryReader, subjects: Sequence[Subject], keys: TrustedKeys, log: Log) -> None:
    """Check the package files of all subjects."""
    checks = [sorted(file_checks(subject), key=lambda check: check.package) for subject in subjects]
    distinct = {(c.path, c.package): c for listed in checks for c in listed}
    results = _check_all(reader, tuple(distinct.values()), keys, log)
    by_file = dict(zip(distinct, results, strict=True))
    for subject, listed in zip(subjects, checks, strict=True):
        _record(subject, [(check, by_file[check.path, check.package]) for check in listed], keys)


def mark_not_run(subject: Subject, reason: str) -> None:
    """Record why no package file of a subject was checked."""
    subject.mark_not_run(reason, CheckKind.FILES, CheckKind.INSIDE)
    if any(package.format is Format.RPM for package in subject.packages):
        subject.mark_not_run(reason, CheckKind.RPM_SIGNATURE)


def reading_threads(reader: RepositoryReader) -> int:
    """Return how many package files are read at a time."""
    return _CONNECTIONS if isinstance(reader, HttpReader) else PROCESSORS


def _check_all(reader: RepositoryReader, checks: Sequence[FileCheck], keys: TrustedKeys, log: Log) -> list[FileResult]:
    lock = threading.Lock()
    consecutive_errors = 0

    def work(check: FileCheck, _: CancelToken) -> FileResult:
        nonlocal consecutive_errors
        try:
            result, errors = check_file(reader, check, keys), 0
        except ExternalError as error:
            errors = consecutive_errors + 1
            if errors > _MAX_CONSECUTIVE_ERRORS:
                raise
            label = check.package.label
            fault = Fault(CheckKind.FILES, label, error.message, check.path, error.hint)
            result = FileResult(0, (fault,))
        with lock:
            consecutive_errors = errors
            task.advance(check.package.size)
        return result

    total = sum(check.package.size for check in checks)
    with log.task("Examine", f"{len(checks):,} package files", total, "B") as task:
        return parallel_map(work, checks, reading_threads(reader))


def _record(subject: Subject, results: Sequence[tuple[FileCheck, FileResult]], keys: TrustedKeys) -> None:
    if not (results or subject.complete):
        mark_not_run(subject, UNREADABLE_INDEX)
        return
    subject.mark_run(CheckKind.FILES)
    subject.bytes_by_path = {check.path: result.size for check, result in results}
    for _, result in results:
        subject.add_faults(result.faults)
    if results and not any(result.inspected for _, result in results):
        mark_not_run(subject, "no package file could be read")
        return
    subject.mark_run(CheckKind.INSIDE)
    rpms = [(check, result) for check, result in results if check.package.format is Format.RPM and result.inspected]
    if not rpms:
        return
    if keys.verifier is None:
        subject.mark_not_run(NO_KEY, CheckKind.RPM_SIGNATURE)
    else:
        subject.mark_run(CheckKind.RPM_SIGNATURE)
    unsigned = [check for check, result in rpms if not result.signed]
    if len(unsigned) == len(rpms) > 1:
        found = f"all {len(rpms):,} rpms are unsigned"
        subject.add_finding(CheckKind.RPM_SIGNATURE, "a signature in every rpm", found, hint=SIGN_RPM_HINT)
        return
    for check in unsigned:
        subject.add_finding(CheckKind.RPM_SIGNATURE, "a signature", "unsigned", check.path, SIGN_RPM_HINT)


def check_file(reader: RepositoryReader, check: FileCheck, keys: TrustedKeys) -> FileResult:
    """Read a file and compare it with its index entry."""
    file = locations.stream(reader, check.path, lambda blocks: read_bytes(check, blocks))
    return check_bytes(reader, check, file, keys)


def fetch(reader: RepositoryReader, check: FileCheck, target: Path) -> PackageBytes | None:
    """Read a package while it is written to a file; after a broken connection, from its beginning again."""

    def write(blocks: Iterator[bytes]) -> PackageBytes:
        with translate_os_errors(target), target.open("wb") as file:

            def written() -> Iterator[bytes]:
                for block in blocks:
                    file.write(block)
                    yield block

            return read_bytes(check, written())

    return locations.stream(reader, check.path, write)


def local_path(reader: RepositoryReader, check: FileCheck) -> Path | None:
    """Return the path of a package in a local repository."""
    return reader.root / check.path if isinstance(reader, FolderReader) and "://" not in check.path else None


def read_local(check: FileCheck, path: Path) -> PackageBytes | None:
    """Read a local copy of a package; None if it does not exist."""
    return FolderReader(path.parent).stream(path.name, lambda blocks: read_bytes(check, blocks))


def check_local(check: FileCheck, path: Path, file: PackageBytes | None, keys: TrustedKeys) -> FileResult:
    """Compare a local copy of a package, which was read before, with its index entry."""
    return check_bytes(FolderReader(path.parent), replace(check, path=path.name), file, keys)


def check_bytes(reader: RepositoryReader, check: FileCheck, file: PackageBytes | None, keys: TrustedKeys) -> FileResult:
    """Compare what was read of a file with its index entry; `file` is None if it does not exist."""
    label = check.package.label
    if file is None:
        fault = Fault(CheckKind.FILES, label, "file not found", check.path, _MISSING_HINT)
        return FileResult(0, (fault,))
    listed = FileDigest(check.package.size, check.digests)
    different = tuple(
        Fault(CheckKind.FILES, expected, found, check.path, _DIFFERENT_HINT)
        for expected, found in differences(listed, file.digest)
    )
    if different:
        return FileResult(file.digest.size, different)
    try:
        faults = list(contents_faults(check, file))
        if check.package.format is Format.DEB:
            return FileResult(file.digest.size, tuple(faults), inspected=True)
        headers = rpm_header.read_headers(file.head, file.digest.size)
        faults += rpm_signature_faults(reader, check.path, headers, file.head, keys)
    except MalformedData as error:
        broken = Fault(CheckKind.INSIDE, "a complete package", str(error), check.path, BROKEN_HINT)
        return FileResult(file.digest.size, (broken,))
    return FileResult(file.digest.size, tuple(faults), inspected=True, signed=headers.signed)
