"""An apt suite under examination: where to read it, and what its Release lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from kubeparcel.doctor.discovery import Suite
from kubeparcel.doctor.findings import CheckKind, FileDigest, Subject
from kubeparcel.doctor.reader import RepositoryReader, read_limited
from kubeparcel.doctor.selection import Selection
from kubeparcel.doctor.signatures import cleartext
from kubeparcel.packages import limits
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.errors import LimitExceeded
from kubeparcel.sanitize import is_number

SUFFIXES = ("", ".xz", ".gz", ".bz2", ".zst", ".lz4", ".lzma")
_ALGORITHMS = ("sha256", "sha512", "sha1", "md5sum")
_TRUE = ("yes", "true", "with", "on", "enable", "1")
_MAX_SHOWN = 100


@dataclass(frozen=True)
class SuiteContext:
    """A suite under examination: where to read it, and where to record findings."""

    reader: RepositoryReader
    suite: Suite
    subject: Subject
    selection: Selection

    def path(self, name: str) -> str:
        """Return the path of a file that the Release lists."""
        return f"{self.suite.folder}/{name}".lstrip("/")

    def read(self, name: str) -> bytes | None:
        """Return a small file in the suite's folder; None if it does not exist, empty with a finding if it is large."""
        limit = limits.SIGNATURE if name.endswith(".gpg") else limits.RELEASE
        try:
            data = read_limited(self.reader, self.path(name), limit)
        except LimitExceeded as error:
            hint = f"apt rejects it. {error.hint}"
            self.add_finding(CheckKind.FIELDS, f"a {name} of usual size", str(error), name, hint)
            return b""
        if data is not None:
            self.subject.entry_files[self.path(name)] = hashlib.sha256(data).hexdigest()
        return data

    def add_finding(self, kind: CheckKind, expected: str, found: str, name: str, hint: str) -> None:
        """Record a finding about a file of the suite."""
        self.subject.add_finding(kind, expected, found, self.path(name), hint)


def parse_date(text: str) -> float | None:
    """Return a date of a Release in Unix time; None for an empty one. Raises ValueError."""
    if not text:
        return None
    try:
        date = parsedate_to_datetime(text.replace("UTC", "+0000"))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        raise ValueError(text[:_MAX_SHOWN]) from None


def read_fields(context: SuiteContext) -> Mapping[str, str]:
    """Return the fields of InRelease, or else of Release; nothing is verified."""
    text = cleartext(context.read("InRelease") or b"")
    return deb_metadata.parse_fields(text or (context.read("Release") or b"").decode("utf-8", "replace"))


def announces_by_hash(fields: Mapping[str, str]) -> bool:
    """Return whether a Release has Acquire-By-Hash, in any of apt's words for yes (StringToBool)."""
    return fields.get("acquire-by-hash", "").lower() in _TRUE


def release_entries(fields: Mapping[str, str]) -> dict[str, FileDigest]:
    """Return the sizes and digests that a Release lists, by the names of the indexes. Raises LimitExceeded."""
    sizes: dict[str, int] = {}
    digests: dict[str, dict[str, str]] = {}
    for algorithm in _ALGORITHMS:
        for name, digest, size in _parse_entries(fields.get(algorithm, "")):
            sizes.setdefault(name, size)
            digests.setdefault(name, {})[algorithm.removesuffix("sum")] = digest.lower()
    limits.RELEASE_FILES.check(len(sizes), "the Release")
    return {name: FileDigest(sizes[name], digests[name]) for name in sizes}


def _parse_entries(text: str) -> Iterator[tuple[str, str, int]]:
    for columns in map(str.split, text.splitlines()):
        if len(columns) == 3 and is_number(columns[1]):
            yield columns[2], columns[0], int(columns[1])
