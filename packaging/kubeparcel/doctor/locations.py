"""Opens repositories by their location: a folder or URL; and the files that their indexes name."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlparse

from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.reader import FolderReader, RepositoryReader
from kubeparcel.errors import ConfigurationError, DownloadError, UsageError
from kubeparcel.repository.storage.base import T
from kubeparcel.sanitize import is_number, redact_url
from kubeparcel.sources.http.redirects import check_reference
from kubeparcel.sources.http.urls import check_url, is_host

_SUITE_OR_METADATA = re.compile(r"/(?:dists/(?P<suite>.+?)|repodata)(?:/(?:In)?Release|/repomd\.xml)?/*$")


@dataclass(frozen=True)
class RepositoryQuery:
    """A repository, with the suites and architectures to read; all if there are none.

    `key` is a file with the public keys to trust, or the name of a key; without it, the keys that the repository offers
    are trusted. `follow` has additional hosts that redirects, indexes and mirrorlists may lead to.
    """

    location: str
    key: str = ""
    suites: Sequence[str] = ()
    arches: Sequence[str] = ()
    follow: Sequence[str] = ()


def open_reader(
    location: str, follow: Iterable[str] = (), suites: Sequence[str] = ()
) -> tuple[RepositoryReader, Sequence[str]]:
    """Return a reader, and `suites` with the apt suite that the location names, if any.

    The location is a folder or a URL, of the
    repository, of a suite (`…/dists/NAME`) or of a yum repository's repodata.
    Raises UsageError if it is neither, ToolError if obstore is needed and not installed.
    """
    match = _SUITE_OR_METADATA.search(location)
    if not match:
        return open_location(location, follow), suites
    named = [match["suite"]] if match["suite"] else []
    return open_location(location[: match.start()], follow), tuple(dict.fromkeys((*suites, *named)))


def open_location(location: str, follow: Iterable[str] = ()) -> RepositoryReader:
    """Return a reader of the folder or URL; raises as `open_reader`."""
    location = location.removeprefix("mirror+")  # as in sources of apt
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
        raise UsageError(
            f"No repository at {path}: the folder does not exist.", "Give the folder or the URL of a repository."
        )
    return FolderReader(path.absolute(), hosts)


def _check_host(text: str) -> str:
    """Return a host, or HOST:PORT, in lower case. Raises UsageError."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    name, _, port = host.partition(":") if host.count(":") == 1 else (host, "", "0")
    if not (is_host(name) and is_number(port)):
        raise UsageError(f"Invalid --follow {text!r}.", "Give the name of a host, or HOST:PORT, not a URL.")
    return host.lower()


def locate(reader: RepositoryReader, folder: str, base: str, path: str) -> str:
    """Return where a file is that an index in `folder` names: its path in the repository, or its URL.

    `path` is below `base`, a complete URL or a folder relative to `folder`. Raises
    ConfigurationError if it is outside of the repository and clients could not read it there either.
    """
    root = _root_url(reader)
    if "://" in base:
        url = f"{base}/{path}"
        if root and url.startswith(root):
            return url.removeprefix(root)
        schemes = ("http://", "https://", *(("file://",) if isinstance(reader, FolderReader) else ()))
        if not url.startswith(schemes):
            raise ConfigurationError(f"{url}: clients cannot read it from here.")
        return url
    relative = posixpath.normpath(posixpath.join(folder, base, path))
    if not relative.startswith("../"):
        return relative
    if not isinstance(reader, HttpReader):
        raise ConfigurationError(f"{relative!r} is outside of the examined folder.")
    return urljoin(root, relative)


def is_permitted(reader: RepositoryReader, url: str) -> bool:
    """Return whether `require_permitted` accepts a URL."""
    try:
        require_permitted(reader, url, "")
    except DownloadError:
        return False
    return True


def require_permitted(reader: RepositoryReader, url: str, subject: str) -> None:
    """Raise DownloadError, beginning with `subject`, for a URL on a host that is neither the repository's nor named."""
    origin = reader.location if isinstance(reader, HttpReader) else ""
    kinds = reader.local_kinds if isinstance(reader, HttpReader) else ()
    check_reference(subject, origin, url, reader.follow, kinds)


def _root_url(reader: RepositoryReader) -> str:
    if isinstance(reader, FolderReader):
        return f"{reader.root.as_uri()}/"
    return reader.location if isinstance(reader, HttpReader) else ""


def stream(reader: RepositoryReader, location: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
    """Pass the blocks of a file to `use` and return its result; None if there is no such file.

    `location` is a path in the repository, or a URL. Raises DownloadError if the URL must not be followed.
    """
    if "://" not in location:
        return reader.stream(location, use)
    if not location.startswith("file://"):
        require_permitted(reader, location, "An index leads to")
    base, _, name = location.rpartition("/")
    kinds = reader.local_kinds if isinstance(reader, HttpReader) else frozenset({"loopback"})
    return _elsewhere(base, reader.follow, kinds).stream(name, use)


@functools.lru_cache(64)
def _elsewhere(base: str, follow: frozenset[str], local_kinds: frozenset[str]) -> RepositoryReader:
    if base.startswith("file://"):
        return open_location(base)
    return HttpReader(check_url(base), follow=follow, local_kinds=local_kinds)
