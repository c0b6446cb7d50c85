"""What an examination gathers: what was looked at, what was wrong, and what is worth knowing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from kubeparcel.reports.results import Check, Finding
from kubeparcel.repository.model import Package

MAX_FINDINGS = 25
"""No more findings of one check are told apart."""


class CheckKind(Enum):
    """The checks: a name, and what it means."""

    KEY = ("key", "the signing key is there, strong, and holds long enough")
    SELF_SIGNATURE = ("key-self-signature", "the key vouches for itself with SHA-256 or better")
    INRELEASE = ("inrelease", "InRelease is there and its signature is good")
    RELEASE_GPG = ("release-gpg", "Release has a good signature beside it, and says the same")
    PACKET = ("signature-packet", "signatures are version 4 or newer, with SHA-256 or better")
    SQV = ("sqv", "sqv, which current apt uses, accepts the signature now and later")
    DATES = ("dates", "the Release has not expired and is not from the future")
    FIELDS = ("release-fields", "the Release says what it is, and lists its indexes by digest")
    INDEXES = ("indexes", "every index is there, whole, of the size and digests promised")
    BY_HASH = ("by-hash", "every index of packages can be had by its digest")
    ENTRIES = ("entries", "what indexes say of packages is complete, safe and unambiguous")
    FILES = ("files", "every package file is there, of the size and digests promised")
    INSIDE = ("inside", "package files are whole, and what the indexes say they are")
    REPOMD = ("repomd-signature", "repomd.xml has a good signature")
    RPM_SIGNATURE = ("rpm-signature", "every rpm is signed by a trusted key")
    CLOSURE = ("closure", "packages find what they need of each other in the same suite")
    COMPANIONS = ("companions", "each minor that has a kubelet has what nodes need beside it")
    ORPHANS = ("orphans", "no package file lies around that no index names")
    FORMATS = ("formats", "the apt and the yum suites of a name have the same versions")


class Fault(NamedTuple):
    """One thing that is wrong, by the check that found it; `todo` is what to do about it."""

    kind: CheckKind
    expected: str
    found: str
    where: str = ""
    hint: str = ""


@dataclass
class Subject:
    """One subject: a suite, a repository, the key.

    `looked` are the checks that were made, `remarks` what is no fault but worth knowing, `about`
    a word on the subject itself. `names` are the places of the packages' files, `digests` those of
    their digests that Package does not have. `size` are the bytes of package files that were read.
    `whole` is no longer true when an index could not be read: what is missing then cannot be told
    from what was not seen.
    """

    name: str
    packages: frozenset[Package] = frozenset()
    file_paths: set[str] = field(default_factory=set)
    digests: dict[Package, Mapping[str, str]] = field(default_factory=dict)
    checks_run: dict[CheckKind, None] = field(default_factory=dict)
    findings: dict[CheckKind, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    remarks: list[str] = field(default_factory=list)
    description: str = ""
    bytes_read: int = 0
    complete: bool = True

    def mark_run(self, *kinds: CheckKind) -> None:
        """Note that checks were made."""
        self.checks_run.update(dict.fromkeys(kinds))

    def add_finding(
        self, kind: CheckKind, expected: str, found: str, where: str = "", hint: str = ""
    ) -> None:
        """Note something wrong."""
        self.mark_run(kind)
        self.findings[kind].append(Finding(expected, found, where, hint))

    def add_faults(self, rows: Iterable[Fault]) -> None:
        """Note several."""
        for row in rows:
            self.add_finding(*row)

    def add_remark(self, text: str) -> None:
        """Note something worth knowing."""
        self.remarks.append(text)


def checks(examined: Subject) -> Iterator[Check]:
    """The checks of a subject, as reports have them."""
    for kind in CheckKind:
        if kind in examined.checks_run:
            name, meaning = kind.value
            found = examined.findings.get(kind, [])
            more = (
                [Finding("", f"and {len(found) - MAX_FINDINGS:,} more")]
                if len(found) > MAX_FINDINGS
                else []
            )
            yield Check(name, examined.name, meaning, (*found[:MAX_FINDINGS], *more))
