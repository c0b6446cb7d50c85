"""What an examination gathers: what was looked at, and what was wrong; checks are made from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from ...verify.report import Check, Finding
from ..values import Package

MOST = 25
"""No more findings of one check are told apart."""


class Kind(Enum):
    """The checks: a name, its number in docs, and what it means."""

    KEY = ("key", 28, "the signing key is there, strong and good for another year")
    SELF_SIGNATURE = ("key-self-signature", 29, "the key vouches for itself with SHA-256 or better")
    INRELEASE = ("inrelease", 25, "InRelease is there and its signature is good")
    RELEASE_GPG = ("release-gpg", 26, "Release has a good signature beside it, and says the same")
    PACKET = ("signature-packet", 27, "signatures are version 4 or newer, with SHA-256 or better")
    SQV = ("sqv", 27, "sqv, which current apt uses, accepts the signature")
    DATES = ("dates", 37, "the Release has not expired and is not from the future")
    FIELDS = ("release-fields", 0, "the Release names its architectures, components and digests")
    INDEXES = ("indexes", 0, "every index is there with the size and SHA-256 that are promised")
    BY_HASH = ("by-hash", 30, "every index can be had by its digest")
    ENTRIES = ("entries", 0, "what indexes say of packages is complete, safe and unambiguous")
    FILES = ("files", 31, "every package file is there with the size and SHA-256 that are promised")
    INSIDE = ("inside", 0, "package files are what the indexes say")
    ORPHANS = ("orphans", 32, "no package file lies around that no index names")
    REPOMD = ("repomd-signature", 33, "repomd.xml has a good signature")
    RPM_SIGNATURE = ("rpm-signature", 34, "every rpm is signed by the repository's key")
    CLOSURE = ("closure", 38, "our packages find what they need in the same suite")
    FORMATS = ("formats", 0, "the apt and the yum suites of a name have the same packages")


@dataclass
class Examined:
    """One subject: a suite, a repository, the key; `looked` are the checks that were made."""

    subject: str
    packages: frozenset[Package] = frozenset()
    names: set[str] = field(default_factory=set)
    looked: dict[Kind, None] = field(default_factory=dict)
    wrong: dict[Kind, list[Finding]] = field(default_factory=lambda: defaultdict(list))

    def look(self, *kinds: Kind) -> None:
        """Note that checks were made."""
        self.looked.update(dict.fromkeys(kinds))

    def fault(self, kind: Kind, expected: str, found: str, where: str = "", todo: str = "") -> None:
        """Note something wrong."""
        self.look(kind)
        self.wrong[kind].append(Finding(expected, found, where, todo))


def checks(examined: Examined) -> Iterator[Check]:
    """The checks of a subject, as reports have them."""
    for kind in Kind:
        if kind in examined.looked:
            name, number, meaning = kind.value
            found = examined.wrong.get(kind, [])
            more = [Finding("", f"and {len(found) - MOST} more")] if len(found) > MOST else []
            yield Check(name, examined.subject, number, meaning, (*found[:MOST], *more))
