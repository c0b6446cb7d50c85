"""The checksum files that upstream publishes next to its files."""

from __future__ import annotations

import re
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
    entries = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    if len(entries) > 1:
        entries = [entry for entry in entries if entry[1:] and entry[1].strip().lstrip("*./") == name]
    if not entries or not re.fullmatch(f"[0-9a-fA-F]{{{DIGITS[kind]}}}", entries[0][0]):
        raise DownloadError(f"{location} contains no {kind} of {name}, but {text[:40]!r}.", NOT_UPSTREAM_HINT)
    return entries[0][0].lower()
