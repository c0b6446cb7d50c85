"""Files that indexes name: in the repository, or at URLs elsewhere."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Callable, Iterator
from urllib.parse import urljoin

from kubeparcel.doctor.factory import open_location
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.reader import FolderReader, RepositoryReader
from kubeparcel.errors import ConfigurationError, DownloadError
from kubeparcel.repository.storage.base import T
from kubeparcel.sources.http.redirects import check_reference
from kubeparcel.sources.http.urls import check_url


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
    """Raise DownloadError for a URL on another host than the repository's, unless its user named that host.

    `subject` begins the message.
    """
    origin = reader.location if isinstance(reader, HttpReader) else ""
    kinds = reader.local_kinds if isinstance(reader, HttpReader) else ()
    check_reference(subject, origin, url, reader.follow, kinds)


def _root_url(reader: RepositoryReader) -> str:
    if isinstance(reader, FolderReader):
        return f"{reader.root.as_uri()}/"
    return reader.location if isinstance(reader, HttpReader) else ""


def stream(reader: RepositoryReader, location: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
    """Return what `use` makes of the blocks of a located file; None if it does not exist.

    Raises DownloadError for a URL on a host that is not to be asked.
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
