"""The checksum files that upstream publishes next to its files."""

import re

from kubeparcel.errors import DownloadError

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")

NOT_UPSTREAM_HINT = (
    "A proxy's login page may have answered instead of upstream, or the mirror is damaged: open the URL to find out."
)


def published_digest(text: str, name: str, location: str) -> str:
    """Return the SHA-256 of `name` in hexadecimal, from the text of a checksum file.

    The file contains the bare digest, or lines as sha256sum writes them (`DIGEST  NAME`). Raises
    DownloadError for anything else.
    """
    entries = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    if len(entries) > 1:
        entries = [entry for entry in entries if entry[1:] and entry[1].strip().lstrip("*./") == name]
    if not entries or not _SHA256.fullmatch(entries[0][0]):
        raise DownloadError(f"{location} contains no sha256 of {name}, but {text[:40]!r}.", NOT_UPSTREAM_HINT)
    return entries[0][0].lower()
