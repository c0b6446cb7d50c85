"""The repository that packages are imported from: its indexes, verified as clients do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kubeparcel.console import Log
from kubeparcel.doctor.discovery import nothing_found
from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.locations import RepositoryQuery, open_reader
from kubeparcel.doctor.package_contents import FileCheck, file_checks
from kubeparcel.doctor.published_packages import ABSENT, ExaminedIndexes, describe_finding, examine_indexes
from kubeparcel.doctor.reader import FolderReader, RepositoryReader, doctor_hint
from kubeparcel.errors import CheckFailed, UsageError
from kubeparcel.packages.architectures import common_name
from kubeparcel.repository.package import Package
from kubeparcel.sanitize import printable, redact_url

_CHANGED = "invalid signature by key"
"""How a finding begins if a signature is of another generation of the index."""


_UNREADABLE = ("too large", "not readable")
"""How findings begin about indexes that will not be readable later either."""


class SourceChanged(CheckFailed):
    """Files of a repository do not belong together: it is being published, or damaged."""


@dataclass(frozen=True)
class Origin:
    """Where packages are listed: a suite or yum repository, with the digest of the index that was verified.

    `path` is the index file that clients read first. `signers` are the fingerprints of the keys whose signatures of
    it are valid; without any, each package must be signed itself, or nothing is verified.
    """

    name: str
    path: str
    sha256: str
    signers: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A repository whose indexes were verified: its packages, where they are listed, and what to check of their files.

    `problems` are index entries that cannot be used. `insecure`: signatures are not required.
    """

    reader: RepositoryReader
    keys: TrustedKeys
    origins: Mapping[Package, Origin]
    checks: Mapping[Package, FileCheck]
    problems: tuple[str, ...] = ()
    insecure: bool = False

    @property
    def packages(self) -> tuple[Package, ...]:
        """The packages, each once: several suites may list one."""
        distinct = {(package.identity, package.sha256): package for package in sorted(self.origins, reverse=True)}
        return tuple(sorted(distinct.values()))

    @property
    def location(self) -> str:
        """The URL or folder, without credentials."""
        return redact_url(self.reader.location).rstrip("/")

    @property
    def url(self) -> str:
        """The location as URL."""
        return self.reader.root.as_uri() if isinstance(self.reader, FolderReader) else self.location


@dataclass(frozen=True)
class SourceQuery(RepositoryQuery):
    """What to import from; `insecure`: signatures are not required."""

    insecure: bool = False


@contextmanager
def open_source(query: SourceQuery, log: Log) -> Iterator[Source]:
    """Yield a repository whose indexes are valid for its clients.

    Raises CheckFailed if they are not, SourceChanged if they do not belong together, UsageError if there is no
    repository, or nothing for an architecture.
    """
    reader, suites = open_reader(query.location, query.follow, query.suites)
    key = "" if query.insecure else query.key
    with examine_indexes(reader, suites, key, query.arches, log) as examined:
        if examined is None:
            raise nothing_found(reader, query.location, suites)
        source = _verify(examined, query, log)
        _require_arches(source, suites, query.arches, log)
        yield source


def _verify(examined: ExaminedIndexes, query: SourceQuery, log: Log) -> Source:
    origins: dict[Package, Origin] = {}
    checks: dict[Package, FileCheck] = {}
    problems = []
    for subject in examined.subjects:
        origin = _origin(subject, examined, query, log)
        for check in file_checks(subject):
            listed = {name: digest for name, digest in check.digests.items() if name == "sha256"} or check.digests
            package = check.located_package
            checks.setdefault(package, FileCheck(check.package, check.path, listed))
            origins.setdefault(package, origin)
        problems += [describe_finding(subject.name, finding) for finding in subject.findings.get(CheckKind.ENTRIES, ())]
    return Source(examined.reader, examined.keys, origins, checks, tuple(problems), query.insecure)


def _origin(subject: Subject, examined: ExaminedIndexes, query: SourceQuery, log: Log) -> Origin:
    """Return the origin of a subject's packages. Raises CheckFailed if its clients would reject it."""
    path = _entry_file(subject)
    is_signed = not query.insecure and _require_signature(subject, examined.reader)
    for finding in subject.findings.get(CheckKind.INDEXES, ()):
        if finding.found.startswith(_UNREADABLE):
            hint = f"Read less of it with --suite and --arch. {doctor_hint(examined.reader)}"
            raise CheckFailed(describe_finding(subject.name, finding), hint)
        raise SourceChanged(describe_finding(subject.name, finding), doctor_hint(examined.reader))
    if not subject.complete and CheckKind.ENTRIES not in subject.findings:
        raise CheckFailed(
            printable(f"{subject.name}: an index of packages has no form that can be read (plain, xz, gz, bz2, zst)."),
            f"Its publisher has to add one, such as Packages.gz. {doctor_hint(examined.reader)}",
        )
    if not query.insecure:
        _require_current(subject, examined.reader, log)
    signers = sorted(examined.keys.verifier.signers) if is_signed and examined.keys.verifier else ()
    return Origin(subject.name, path, subject.entry_files.get(path, ""), tuple(signers))


def _entry_file(subject: Subject) -> str:
    """Return the index file that clients read first."""
    names = ("InRelease", "Release", "repomd.xml")
    read = {path.rpartition("/")[2]: path for path in subject.entry_files}
    return next((read[name] for name in names if name in read), "")


def _require_signature(subject: Subject, reader: RepositoryReader) -> bool:
    """Return whether the index is signed; a yum repository may be unsigned if each of its rpms is signed.

    As for apt, Release.gpg counts only without an InRelease. Raises CheckFailed.
    """
    by_kind = {kind: subject.findings.get(kind, []) for kind in CheckKind}
    is_yum = CheckKind.REPOMD in subject.checks_run
    kinds = (CheckKind.REPOMD,) if is_yum else (CheckKind.INRELEASE, CheckKind.RELEASE_GPG)
    present = [kind for kind in kinds if not any(finding.found == ABSENT for finding in by_kind[kind])]
    if is_yum and not present:
        return False
    if not present:
        found = f"{subject.name}: expected InRelease or Release.gpg, found neither."
        raise CheckFailed(printable(found), f"--insecure accepts it without a signature. {doctor_hint(reader)}")
    findings = by_kind[present[0]]
    weak = [finding for finding in by_kind[CheckKind.PACKET] if finding.found.startswith("digest")]
    for finding in (*findings, *weak):
        kind = SourceChanged if finding.found.startswith(_CHANGED) else CheckFailed
        hint = f"Pass the key that its clients trust: --key FILE. {doctor_hint(reader)}"
        raise kind(describe_finding(subject.name, finding), hint)
    return True


def _require_current(subject: Subject, reader: RepositoryReader, log: Log) -> None:
    """Raise CheckFailed for a Release that has expired or lists no SHA-256; warn of a signature that sqv rejects."""
    fields = [finding for finding in subject.findings.get(CheckKind.FIELDS, ()) if finding.expected == "field SHA256"]
    for finding in (*subject.findings.get(CheckKind.DATES, ()), *fields):
        raise CheckFailed(
            describe_finding(subject.name, finding),
            f"Ask its publisher to publish it again, or accept it with --insecure. {doctor_hint(reader)}",
        )
    kinds = (CheckKind.PACKET, CheckKind.SQV)
    for finding in [finding for kind in kinds for finding in subject.findings.get(kind, ())][:1]:
        log.warn(f"{describe_finding(subject.name, finding)} {finding.hint}")


def _require_arches(source: Source, suites: Sequence[str], arches: Sequence[str], log: Log) -> None:
    """Raise UsageError for a requested architecture without packages."""
    available = {common_name(package.arch) for package in source.origins}
    if missing := [arch for arch in arches if common_name(arch) not in available]:
        with examine_indexes(source.reader, suites, "", (), log) as everything:
            subjects = everything.subjects if everything else ()
        every = {common_name(package.arch) for subject in subjects for package in subject.packages} - {"all"}
        raise UsageError(
            printable(f"{source.location} has no packages for {' and '.join(missing)}."),
            f"It has {', '.join(sorted(every)) or 'no packages at all'}.",
        )
