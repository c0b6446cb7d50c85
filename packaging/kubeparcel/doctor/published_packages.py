"""The packages of a repository, verified as clients do: signatures, indexes, and each file that is fetched."""

from __future__ import annotations

import itertools
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.doctor import apt, yum
from kubeparcel.doctor.apt_entries import locate_files
from kubeparcel.doctor.apt_release import check_release
from kubeparcel.doctor.apt_suite import SuiteContext
from kubeparcel.doctor.discovery import Discovery
from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.doctor.keys import TrustedKeys, load_trusted_keys
from kubeparcel.doctor.mirrors import find_repository
from kubeparcel.doctor.package_contents import FileCheck, file_checks
from kubeparcel.doctor.package_files import check_local, fetch, local_path, read_local
from kubeparcel.doctor.reader import RepositoryReader, doctor_hint
from kubeparcel.doctor.selection import Selection
from kubeparcel.errors import CheckFailed
from kubeparcel.reports.results import Finding
from kubeparcel.repository.package import Package
from kubeparcel.sanitize import printable

_INDEX_SIGNATURES = (CheckKind.INRELEASE, CheckKind.RELEASE_GPG, CheckKind.REPOMD)
ABSENT = "file not found"
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52,116}\b")


@dataclass(frozen=True)
class PackageSource:
    """Packages at a location; `fetch` returns the local file of one."""

    location: str
    packages: frozenset[Package]
    fetch: Callable[[Package], Path]


@dataclass(frozen=True)
class ExaminedIndexes:
    """What was found in the indexes of a repository, with these keys."""

    reader: RepositoryReader
    keys: TrustedKeys
    subjects: Sequence[Subject]


@contextmanager
def open_published(
    reader: RepositoryReader, suites: Sequence[str], key: str, arches: Sequence[str], log: Log
) -> Iterator[PackageSource | None]:
    """Yield the packages of a repository in all suites, or in these; None if there is no repository.

    `key` is what to verify with. Raises CheckFailed for an invalid signature, or an index that is missing or not the
    listed one.
    """
    with examine_indexes(reader, suites, key, arches, log) as examined:
        if examined is None:
            yield None
            return
        reader, keys = examined.reader, examined.keys
        for subject in examined.subjects:
            _require_valid(subject, keys, reader, log, key_required=bool(key))
        with tempfile.TemporaryDirectory(prefix="kp-") as folder:
            checks = (check for subject in examined.subjects for check in file_checks(subject))
            files = {check.located_package: check for check in checks}
            fetcher = _Fetcher(reader, keys, Path(folder), files)
            yield PackageSource(reader.location, frozenset(files), fetcher.fetch)


@contextmanager
def examine_indexes(
    reader: RepositoryReader, suites: Sequence[str], key: str, arches: Sequence[str], log: Log
) -> Iterator[ExaminedIndexes | None]:
    """Yield what is found in the indexes of a repository in all suites, or in these; None if there is no repository.

    Of a mirrorlist or metalink, the first usable mirror is read.
    """
    reader, discovery = find_repository(reader, suites, log)
    if not discovery:
        yield None
        return
    with load_trusted_keys(reader, discovery, key, time.time(), 0) as keys:
        subjects = [*_examine(reader, discovery, keys, Selection.of(arches, ()))]
        yield ExaminedIndexes(reader, keys, subjects)


def _examine(
    reader: RepositoryReader, discovery: Discovery, keys: TrustedKeys, selection: Selection
) -> Iterator[Subject]:
    """Yield each suite and yum repository with its packages; their files are not read."""
    for suite in discovery.suites:
        yield _examine_suite(SuiteContext(reader, suite, Subject(discovery.subject_name(suite)), selection), keys)
    for folder in discovery.yum_folders:
        yield yum.check_yum_repository(reader, folder, discovery.subject_name(folder), keys, selection, yum.PRIMARY)


def _examine_suite(context: SuiteContext, keys: TrustedKeys) -> Subject:
    subject = context.subject
    fields = check_release(context, keys)
    packages = None if fields is None else apt.read_packages(context, fields)
    if packages is None:
        found = "not readable" if fields is None else "too large to be read"
        subject.add_finding(CheckKind.INDEXES, "indexes of packages", found, context.path("Release"))
        return subject
    subject.packages = packages
    subject.locations = locate_files(context, packages)
    return subject


def _require_valid(
    subject: Subject, keys: TrustedKeys, reader: RepositoryReader, log: Log, *, key_required: bool
) -> None:
    """Raise CheckFailed if the indexes cannot be trusted; warn if nothing is signed, and of what clients reject."""
    hint = doctor_hint(reader)
    signatures = [finding for kind in _INDEX_SIGNATURES for finding in subject.findings.get(kind, ())]
    fatal = [finding for finding in signatures if finding.found != ABSENT]
    fatal += subject.findings.get(CheckKind.INDEXES, [])
    is_signed = CheckKind.PACKET in subject.checks_run and keys.verifier is not None
    if key_required and not is_signed:
        fatal += signatures or [Finding("a signature by a trusted key", "none")]
    if fatal:
        raise CheckFailed(describe_finding(subject.name, fatal[0]), hint)
    if not is_signed:
        log.warn(printable(f"{subject.name} was not verified: {'it is unsigned' if keys.keys else 'no public key'}."))
    others = [finding for kind in (CheckKind.DATES, CheckKind.ENTRIES) for finding in subject.findings.get(kind, ())]
    if others:
        log.warn(f"{describe_finding(subject.name, others[0])} {hint}")


def describe_finding(name: str, finding: Finding) -> str:
    """Return a finding as one sentence, with the beginnings of digests."""
    location = f" ({finding.location})" if finding.location else ""
    text = f"{name}: expected {finding.expected}, found {finding.found}{location}."
    return printable(_DIGEST.sub(r"\1…", text))


@dataclass(frozen=True)
class _Fetcher:
    """Fetches files of packages into a folder, and verifies them."""

    reader: RepositoryReader
    keys: TrustedKeys
    folder: Path
    files: Mapping[Package, FileCheck]
    numbers: Iterator[int] = field(default_factory=itertools.count)
    fetched: dict[Package, Path] = field(default_factory=dict)

    def fetch(self, package: Package) -> Path:
        """Return the file of a package. Raises CheckFailed if it is not the listed one, or not signed by its key."""
        if package in self.fetched:
            return self.fetched[package]
        check = self.files[package]
        path = local_path(self.reader, check)
        if path:
            file = read_local(check, path)
        else:
            path = self.folder / str(next(self.numbers)) / check.path.rpartition("/")[2]
            path.parent.mkdir()
            file = fetch(self.reader, check, path)
        result = check_local(check, path, file, self.keys)
        if result.faults:
            fault = result.faults[0]
            finding = Finding(fault.expected, fault.found, check.path)
            raise CheckFailed(describe_finding(package.label, finding), doctor_hint(self.reader))
        self.fetched[package] = path
        return path
