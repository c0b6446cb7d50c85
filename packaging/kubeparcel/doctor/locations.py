"""Files that indexes name: in the repository, or at URLs elsewhere."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Callable, Iterator
from urllib.parse import urljoin

from kubeparcel.doctor.factory import open_location
from kubeparcel.doctor.http_reader import HttpReader
from kubeparcel.doctor.reader import FolderReader, RepositoryReader
from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.storage.base import T


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


def _root_url(reader: RepositoryReader) -> str:
    if isinstance(reader, FolderReader):
        return f"{reader.root.as_uri()}/"
    return reader.location if isinstance(reader, HttpReader) else ""


def stream(reader: RepositoryReader, location: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
    """Return what `use` makes of the blocks of a located file; None if it does not exist."""
    if "://" not in location:
        return reader.stream(location, use)
    base, _, name = location.rpartition("/")
    return _elsewhere(base).stream(name, use)


_elsewhere = functools.lru_cache(64)(open_location)
