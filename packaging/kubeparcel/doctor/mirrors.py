"""Finds the repository at a location, or on a mirror that a mirrorlist, metalink or list for apt names there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from kubeparcel.console import Log
from kubeparcel.doctor.discovery import Discovery, discover
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.locations import is_permitted, open_location, require_permitted
from kubeparcel.doctor.reader import RepositoryReader, read_limited
from kubeparcel.errors import ExternalError, Unreachable
from kubeparcel.packages import limits
from kubeparcel.packages.errors import LimitExceeded
from kubeparcel.sanitize import printable, redact_url

MAX_SIZE = 1 << 20
"""Bytes of a list that are read; those of distributions have 50 KB."""

_MAX_TRIED = 5
_REPOMD = "repodata/repomd.xml"
_METALINK_URL = re.compile(rf"<url\b[^<>]*>\s*(https?://[^<\s]+?){_REPOMD}\s*</url>")
_METALINK_DIGEST = re.compile(r"""<hash\b[^<>]*type=["'](sha256|sha512)["'][^<>]*>\s*([0-9a-fA-F]+)\s*</hash>""")
_MIRROR = re.compile(r"[a-z]+://\S+")


class MirrorList(NamedTuple):
    """The mirrors of a list, by http or https, and what a metalink says repomd.xml is: a digest for each algorithm."""

    mirrors: Sequence[str]
    digests: frozenset[tuple[str, str]] = frozenset()


def find_repository(reader: RepositoryReader, suites: Sequence[str], log: Log) -> tuple[RepositoryReader, Discovery]:
    """Return what is at a location, or on the first usable mirror of a list there, with the reader of it.

    The discovery is empty if there is neither. Only mirrors on the list's host, and on hosts to follow, are asked.
    Raises DownloadError if there are none, and Unreachable with the reasons if no mirror can be used.
    """
    is_query = "?" in reader.location  # no folder: paths below it would be nonsense
    listed = list_mirrors(reader) if is_query else MirrorList(())
    discovery = Discovery((), ()) if listed.mirrors else discover(reader, suites)
    if discovery:
        return reader, discovery
    listed = listed if is_query else list_mirrors(reader)
    permitted = [mirror for mirror in listed.mirrors if is_permitted(reader, mirror)]
    if listed.mirrors and not permitted:
        require_permitted(reader, listed.mirrors[0], "The mirrorlist leads to")
    reasons = []
    for mirror in permitted[:_MAX_TRIED]:
        found = _open_mirror(reader, mirror, listed, suites)
        if not isinstance(found, str):
            shown = f"{redact_url(mirror)}, one of {len(listed.mirrors)} in {redact_url(reader.location)}"
            log.info("Mirror", printable(shown.rstrip("/")))
            return found
        reasons.append(printable(f"{redact_url(mirror)}: {found}"))
    if reasons:
        raise Unreachable(f"No mirror of {redact_url(reader.location).rstrip('/')} can be used.", "\n".join(reasons))
    return reader, discovery


def _open_mirror(
    reader: RepositoryReader, mirror: str, listed: MirrorList, suites: Sequence[str]
) -> tuple[RepositoryReader, Discovery] | str:
    """Return a mirror's reader and what is there, or why it cannot be used."""
    opened = open_location(mirror, reader.follow)
    try:
        if listed.digests and not _is_current(opened, listed):
            return "its repomd.xml is not the one that the metalink lists."
        discovery = discover(opened, suites)
    except (ExternalError, LimitExceeded) as error:
        return str(error)
    return (opened, discovery) if discovery else "no repository."


def _is_current(mirror: RepositoryReader, listed: MirrorList) -> bool:
    data = read_limited(mirror, _REPOMD, limits.REPOMD)
    return data is not None and any(hashlib.new(kind, data).hexdigest() == digest for kind, digest in listed.digests)


def list_mirrors(reader: RepositoryReader) -> MirrorList:
    """Return the mirrors that the document at the reader's URL names; none if it is another document."""
    data = reader.read_url(MAX_SIZE) if isinstance(reader, HttpReader) else None
    text = (data or b"").decode("utf-8", "replace")
    if "<metalink" in text:
        digests = frozenset((kind, digest.lower()) for kind, digest in _METALINK_DIGEST.findall(text))
        return MirrorList(_METALINK_URL.findall(text), digests)
    lines = [line.split()[0] for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not all(map(_MIRROR.fullmatch, lines)):
        return MirrorList(())
    return MirrorList([line for line in lines if line.startswith(("http://", "https://"))])
