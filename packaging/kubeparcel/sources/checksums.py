"""The checksum files that upstream publishes next to its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kubeparcel.errors import DownloadError

DIGITS = {"sha256": 64, "sha512": 128, "sha1": 40}
"""The kinds of checksum files, in the order in which they are looked for, with their hexadecimal digits."""

NOT_UPSTREAM_HINT = "It may be a proxy's login page, or the mirror is damaged: open the URL to find out."


@dataclass(frozen=True)
class Checksum:
    """A published checksum: `sha256`, `sha512` or `sha1`, and the digest in hexadecimal."""

    kind: str
    digest: str


def published_digest(text: str, name: str, location: str, kind: str = "sha256") -> str:
    """Return the digest of `name` in hexadecimal, from the text of a checksum file.

    The file contains the bare digest, or lines as sha256sum writes them (`DIGEST  NAME`). Raises
    DownloadError for anything else.
    """
    entries = _entries(text)
    if len(entries) > 1:
        entries = [entry for entry in entries if _name(entry) == name]
    if not entries or not re.fullmatch(f"[0-9a-fA-F]{{{DIGITS[kind]}}}", entries[0][0]):
        raise DownloadError(f"{location} contains no {kind} of {name}, but {text[:40]!r}.", NOT_UPSTREAM_HINT)
    return entries[0][0].lower()


def lists_only_others(text: str, name: str) -> bool:
    """Return whether a text is a list of SHA-256 checksums, as sha256sum writes it, without a file of this name."""
    entries = _entries(text)
    digests = all(re.fullmatch(f"[0-9a-fA-F]{{{DIGITS['sha256']}}}", entry[0]) for entry in entries)
    return bool(entries) and digests and all(_name(entry) not in ("", name) for entry in entries)


def _entries(text: str) -> list[list[str]]:
    """Return the words of each line: a digest, and mostly the name of a file."""
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]


def _name(entry: Sequence[str]) -> str:
    return entry[1].strip().lstrip("*./") if entry[1:] else ""
