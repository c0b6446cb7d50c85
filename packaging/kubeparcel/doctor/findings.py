"""What an examination records: checks that ran or could not, findings, remarks, and digests."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kubeparcel.reports.results import Check, CheckList, Finding
from kubeparcel.repository.package import Package

MAX_FINDINGS = 25
"""Findings of one check that are recorded; the others are counted."""

NO_KEY = "no public key to verify signatures with"
NO_SIGNATURE = "no signature was found"
UNREADABLE_INDEX = "an index could not be read"
"""Reasons why checks did not run."""


class CheckKind(CheckList):
    """The checks: name, and what is true if they pass."""

    KEY = ("key", "the signing keys are strong and remain valid")
    SELF_SIGNATURE = ("key-self-signature", "keys' self-signatures use SHA-256 or better")
    INRELEASE = ("inrelease", "InRelease exists and has a valid signature")
    RELEASE_GPG = ("release-gpg", "Release.gpg is a valid signature of the same text")
    PACKET = ("signature-packet", "signatures have version 4 or newer and SHA-256 or better")
    SQV = ("sqv", "sqv, which current apt uses, accepts the signatures now and later")
    DATES = ("dates", "the Release has not expired and is not from the future")
    FIELDS = ("release-fields", "the Release has its required fields and lists its indexes")
    INDEXES = ("indexes", "every listed index exists with the listed size and digests")
    BY_HASH = ("by-hash", "every index of packages exists under its digest")
    ENTRIES = ("entries", "index entries are complete, safe and unambiguous")
    FILES = ("files", "every package file exists with the listed size and digests")
    INSIDE = ("inside", "package files are complete and match their index entries")
    REPOMD = ("repomd-signature", "repomd.xml has a valid signature")
    RPM_SIGNATURE = ("rpm-signature", "every rpm is signed by a trusted key")
    CLOSURE = ("closure", "dependencies among packages are met in the same suite")
    COMPANIONS = ("companions", "each minor with a kubelet has cri-tools and kubernetes-cni")
    ORPHANS = ("orphans", "every package file is listed in an index")
    STATEMENT = ("statement", "the repository has a statement about itself")
    STATEMENT_SIGNATURE = ("statement-signature", "a trusted key signed the statement")
    SUBJECTS = ("subjects", "the indexes and packages are those that the statement lists")
    SIDE_FILES = ("side-files", "statements, SBOMs and advisories are those that the statement lists")
    PROVENANCE = ("provenance", "statements about packages are signed by a trusted key and name their package")
    FORMATS = ("formats", "apt and yum suites of a name have the same versions")


class Fault(NamedTuple):
    """A finding, and the check that it is of."""

    kind: CheckKind
    expected: str
    found: str
    location: str = ""
    hint: str = ""


@dataclass
class Subject:
    """A suite, a yum repository or the keys: what was checked and found there.

    `checks_not_run` are checks that apply but could not run, with the reason. `locations` are where the packages' files
    are: a path in the repository, or a URL; `digests` are their listed digests. `entry_files` has the SHA-256 of the
    files that clients read first, as they were read. `description` is a short text about the subject itself,
    `bytes_by_path` what was read of each package file. `complete` is false if an index could not be read: then a
    package that seems to be missing may be in that index.
    """

    name: str
    packages: frozenset[Package] = frozenset()
    locations: dict[Package, str] = field(default_factory=dict)
    digests: dict[Package, Mapping[str, str]] = field(default_factory=dict)
    checks_run: dict[CheckKind, None] = field(default_factory=dict)
    checks_not_run: dict[CheckKind, str] = field(default_factory=dict)
    findings: dict[CheckKind, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    finding_counts: Counter[CheckKind] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)
    entry_files: dict[str, str] = field(default_factory=dict)
    description: str = ""
    bytes_by_path: dict[str, int] = field(default_factory=dict)
    complete: bool = True

    def mark_run(self, *kinds: CheckKind) -> None:
        """Record that checks ran; they pass unless findings are added."""
        self.checks_run.update(dict.fromkeys(kinds))

    def mark_not_run(self, reason: str, *kinds: CheckKind) -> None:
        """Record why checks did not run. It has no effect on those that did."""
        for kind in kinds:
            self.checks_not_run.setdefault(kind, reason)

    def add_finding(self, kind: CheckKind, expected: str, found: str, location: str = "", hint: str = "") -> None:
        """Record a finding; its check fails."""
        self.mark_run(kind)
        self.finding_counts[kind] += 1
        if self.finding_counts[kind] <= MAX_FINDINGS:
            self.findings[kind].append(Finding(expected, found, location, hint))

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """Record findings of several checks."""
        for fault in faults:
            self.add_finding(*fault)

    def add_remark(self, text: str) -> None:
        """Record something worth knowing that fails no check."""
        self.remarks.append(text)

    @property
    def file_paths(self) -> set[str]:
        """Return where the packages' files are."""
        return set(self.locations.values())

    @property
    def bytes_read(self) -> int:
        """Return how many bytes of the subject's package files were read."""
        return sum(self.bytes_by_path.values())

    @property
    def checks(self) -> tuple[Check, ...]:
        """Return the checks that ran, or should have run, for reports."""
        marked = {*self.checks_run, *self.checks_not_run}
        return tuple(self._check(kind) for kind in CheckKind if kind in marked)

    def _check(self, kind: CheckKind) -> Check:
        shown = self.findings.get(kind, [])
        if self.finding_counts[kind] > MAX_FINDINGS:
            shown = [*shown, Finding("", f"and {self.finding_counts[kind] - MAX_FINDINGS:,} more")]
        not_run = "" if kind in self.checks_run else self.checks_not_run[kind]
        return kind.result(self.name, shown, not_run)


@dataclass(frozen=True)
class FileDigest:
    """The size of a file in bytes and its digests by algorithm."""

    size: int
    digests: Mapping[str, str]


class Hasher:
    """Computes the size and digests of data that arrives in blocks."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._size = 0

    def update(self, block: bytes) -> None:
        self._size += len(block)
        for hash_ in self._hashes.values():
            hash_.update(block)

    def pass_on(self, blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
        """Yield blocks and add them, until the file is known to be larger than `size`."""
        for block in blocks:
            self.update(block)
            yield block
            if self._size > size:
                return

    @property
    def result(self) -> FileDigest:
        """Return size and digests of the data so far."""
        digests = {name: hash_.hexdigest() for name, hash_ in self._hashes.items()}
        return FileDigest(self._size, digests)


def hash_blocks(blocks: Iterable[bytes], listed: FileDigest) -> FileDigest:
    """Return size and digests of blocks; of a file larger than listed, only the beginning is read."""
    hasher = Hasher(listed.digests)
    for _ in hasher.pass_on(blocks, listed.size):
        pass
    return hasher.result


def differences(listed: FileDigest, actual: FileDigest) -> Iterator[tuple[str, str]]:
    """Yield what is listed and what was found instead: the size, or the first other digest."""
    if actual.size != listed.size:
        more = f"more than {listed.size:,} bytes"
        yield f"{listed.size:,} bytes", more if actual.size > listed.size else f"{actual.size:,} bytes"
        return
    for algorithm, digest in listed.digests.items():
        if actual.digests[algorithm] != digest:
            yield f"{algorithm} {digest}", actual.digests[algorithm]
            return
