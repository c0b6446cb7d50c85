"""A repository that is examined: in a folder, in a bucket, behind http; files come in pieces."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import unquote, urlparse

from kubeparcel.errors import UsageError
from kubeparcel.repository.storage.base import StorageReader, check_path
from kubeparcel.repository.storage.folder import FolderStorage
from kubeparcel.store import translate_os_errors

T = TypeVar("T")
BLOCK = 1 << 20
_BELOW = re.compile(r"/(?:dists/(?P<suite>.+?)|repodata)(?:/(?:In)?Release|/repomd\.xml)?/*$")


class RepositoryReader(StorageReader, Protocol):
    """What can be examined."""

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        """What `use` makes of a file's pieces; None when there is no such file.

        When the line breaks, `use` may see the file again from its beginning.
        """

    def list_folder(self, folder: str) -> Sequence[str] | None:
        """The names in a folder, those of folders with `/` at the end; None: nobody knows."""


def open_reader(where: str) -> tuple[RepositoryReader, str]:
    """What reads at an address or in a folder, and the suite that the address is of, if any.

    Raises UsageError when it can be neither.
    """
    match = _BELOW.search(where)
    if match:
        where = where[: match.start()]
    return _open(where), (match["suite"] or "") if match else ""


def _open(where: str) -> RepositoryReader:
    scheme, colon, _ = where.partition("://")
    if scheme in ("http", "https"):
        from kubeparcel.doctor.http_reader import HttpReader

        return HttpReader(where)
    if scheme == "s3":
        from kubeparcel.doctor.s3_reader import S3Reader

        return S3Reader.from_url(where)
    path = Path(unquote(urlparse(where).path) if scheme == "file" else where)
    if colon and scheme != "file":
        raise UsageError(
            f"A repository cannot be read by {scheme}://.",
            "Give a folder, or an address that begins with http, https, file or s3.",
        )
    if not path.is_dir():
        raise UsageError(
            f"There is no folder {path}.", "Give a folder, or the address of a repository."
        )
    return FolderReader(path.absolute())


class FolderReader(FolderStorage):
    """A repository in a folder."""

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        return super().read(path, limit) if (self.root / check_path(path)).is_file() else None

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        place = self.root / check_path(path)
        with translate_os_errors(place):
            if not place.is_file():
                return None
            with place.open("rb", buffering=0) as file:
                return use(iter(lambda: file.read(BLOCK), b""))

    def list_folder(self, folder: str) -> Sequence[str] | None:
        place = self.root / check_path(folder) if folder else self.root
        with translate_os_errors(place):
            if not place.is_dir():
                return None
            rows = sorted(os.scandir(place), key=lambda row: row.name)
        return [f"{row.name}/" if row.is_dir(follow_symlinks=False) else row.name for row in rows]

    def file_sizes(self, prefix: str) -> dict[str, int]:
        if prefix:
            return super().file_sizes(prefix)
        rows = (row.rstrip("/") for row in self.list_folder("") or () if not row.startswith("."))
        inner = chain.from_iterable(
            super(FolderReader, self).file_sizes(row).items() for row in rows
        )
        return dict(inner) | {name: self._size(name) for name in self.file_names("")}

    def _size(self, name: str) -> int:
        return (self.root / name).stat().st_size
