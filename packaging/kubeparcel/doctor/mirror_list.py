"""Mirrors that a mirrorlist or metalink names, which yum and dnf accept for a repository's address."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.locations import is_permitted, require_permitted
from kubeparcel.doctor.reader import RepositoryReader

_METALINK_URL = re.compile(r"<url\b[^<>]*>\s*(https?://[^<\s]+?)repodata/repomd\.xml\s*</url>")
MAX_SIZE = 1 << 20
"""Bytes of a list that are read; those of distributions have 50 KB."""

_MIRROR = re.compile(r"https?://\S+")


def list_mirrors(reader: RepositoryReader) -> list[str]:
    """Return the mirrors that the document at the reader's URL names; none if it is another document."""
    data = reader.read_url(MAX_SIZE) if isinstance(reader, HttpReader) else None
    text = (data or b"").decode("utf-8", "replace")
    if "<metalink" in text:
        return _METALINK_URL.findall(text)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return lines if all(map(_MIRROR.fullmatch, lines)) else []


def first_permitted(reader: RepositoryReader, mirrors: Sequence[str]) -> str:
    """Return the first mirror that may be read. Raises DownloadError if there is none."""
    permitted = next((mirror for mirror in mirrors if is_permitted(reader, mirror)), mirrors[0])
    require_permitted(reader, permitted, "The mirrorlist leads to")
    return permitted
