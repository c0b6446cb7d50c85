"""Opens the repository at a URL or in a folder for reading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlparse

from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.reader import FolderReader, RepositoryReader
from kubeparcel.errors import UsageError
from kubeparcel.sanitize import is_number
from kubeparcel.sources.http.urls import check_url, is_host, redact_url

_SUITE_OR_METADATA = re.compile(r"/(?:dists/(?P<suite>.+?)|repodata)(?:/(?:In)?Release|/repomd\.xml)?/*$")


def open_reader(location: str, follow: Iterable[str] = ()) -> tuple[RepositoryReader, str]:
    """Return a reader, and the apt suite that the location names, if any.

    `follow` has additional hosts that redirects and indexes may lead to.

    The location is a folder or a URL, of the repository, of a suite (`…/dists/NAME`) or of a yum repository's repodata.
    Raises UsageError if it is neither, ToolError if obstore is needed and not installed.
    """
    match = _SUITE_OR_METADATA.search(location)
    if not match:
        return open_location(location, follow), ""
    return open_location(location[: match.start()], follow), match["suite"] or ""


def open_location(location: str, follow: Iterable[str] = ()) -> RepositoryReader:
    """Return a reader of the folder or URL; raises as `open_reader`."""
    scheme, colon, _ = location.partition("://")
    hosts = frozenset(map(_check_host, follow))
    if scheme in ("http", "https"):
        return HttpReader(check_url(location), follow=hosts)
    if scheme == "s3":
        from kubeparcel.doctor.s3_reader import S3Reader

        bucket = S3Reader.from_url(location)
        bucket.follow = hosts
        return bucket
    path = Path(unquote(urlparse(check_url(location)).path) if scheme == "file" else location)
    if colon and scheme != "file":
        raise UsageError(
            f"Unsupported repository location {redact_url(location)}.",
            "Give a folder, or a URL that begins with http, https, file or s3.",
        )
    if not path.is_dir():
        raise UsageError(f"No repository at {path}: the folder does not exist.", "Give a folder or the URL of one.")
    return FolderReader(path.absolute(), hosts)


def _check_host(text: str) -> str:
    """Return a host, or HOST:PORT, in lower case. Raises UsageError."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    name, _, port = host.partition(":") if host.count(":") == 1 else (host, "", "0")
    if not (is_host(name) and is_number(port)):
        raise UsageError(f"Invalid --follow {text!r}.", "Give the name of a host, or HOST:PORT, not a URL.")
    return host.lower()
