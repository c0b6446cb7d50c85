"""Reading a repository under examination: the Protocol, and folders. Files are read in blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar

from kubeparcel.errors import DownloadError
from kubeparcel.files import translate_os_errors
from kubeparcel.packages import limits
from kubeparcel.packages.errors import LimitExceeded
from kubeparcel.packages.limits import Limit
from kubeparcel.repository.storage.base import StorageReader, check_path
from kubeparcel.repository.storage.folder import FolderStorage
from kubeparcel.sanitize import redact_url
from kubeparcel.sources.http.request import first_bytes

T = TypeVar("T")
BLOCK = 1 << 20


class RepositoryReader(StorageReader, Protocol):
    """A repository that can be examined. `follow` has additional hosts that its indexes may lead to."""

    follow: frozenset[str]

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        """Return what `use` makes of a file's blocks; None if the file does not exist.

        After a broken connection `use` may be called again, from the beginning of the file.
        """

    def list_folder(self, folder: str) -> Sequence[str] | None:
        """Return the names in a folder, folders with `/` at the end; None if listing fails."""


def doctor_hint(reader: RepositoryReader) -> str:
    """Return the hint for a repository that clients would reject."""
    return f"Details: inv doctor {redact_url(reader.location)}"


def read_limited(reader: RepositoryReader, path: str, limit: Limit) -> bytes | None:
    """Return a small file; None if it does not exist. Raises LimitExceeded if it is larger than the limit."""
    data = reader.stream(path, lambda blocks: first_bytes(blocks, limit.maximum + 1))
    if data is not None:
        limit.check(len(data), path)
    return data


def read_document(reader: RepositoryReader, path: str) -> bytes | None:
    """Return a whole file; None if it does not exist. Raises DownloadError if it is larger than any document."""
    data = reader.stream(path, lambda blocks: first_bytes(blocks, limits.DOCUMENT.maximum + 1))
    url = redact_url(f"{reader.location.rstrip('/')}/{path}")
    check_size(limits.DOCUMENT, len(data or b""), url)
    check_size(limits.DOCUMENT_VALUES, (data or b"").count(b","), url)
    return data


def limited(blocks: Iterable[bytes], limit: Limit, name: str) -> Iterator[bytes]:
    """Yield the blocks of a file; raise LimitExceeded once it is larger than the limit."""
    size = 0
    for block in blocks:
        size += len(block)
        if size > limit.maximum:
            raise limit.exceeded(name)
        yield block


def check_size(limit: Limit, value: int, name: str) -> None:
    """Raise DownloadError for a document above a limit."""
    try:
        limit.check(value, name)
    except LimitExceeded as error:
        raise DownloadError(f"{error}.", error.hint) from None


class FolderReader(FolderStorage):
    """A repository in a folder."""

    def __init__(self, root: Path, follow: frozenset[str] = frozenset()) -> None:
        super().__init__(root)
        self.follow = follow

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        if limit is None:
            return read_document(self, path)
        return super().read(path, limit) if (self.root / check_path(path)).is_file() else None

    def stream(self, path: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        full_path = self.root / check_path(path)
        with translate_os_errors(full_path):
            if not full_path.is_file():
                return None
            with full_path.open("rb", buffering=0) as file:
                return use(iter(lambda: file.read(BLOCK), b""))

    def list_folder(self, folder: str) -> Sequence[str] | None:
        full_path = self.root / check_path(folder) if folder else self.root
        with translate_os_errors(full_path):
            if not full_path.is_dir():
                return None
            entries = sorted(os.scandir(full_path), key=lambda entry: entry.name)
        return [f"{e.name}/" if e.is_dir(follow_symlinks=False) else e.name for e in entries]

    def file_sizes(self, prefix: str) -> dict[str, int]:
        if prefix:
            return super().file_sizes(prefix)
        names = (n.rstrip("/") for n in self.list_folder("") or () if not n.startswith("."))
        nested = chain.from_iterable(super(FolderReader, self).file_sizes(n).items() for n in names)
        sizes = {name: (self.root / name).stat().st_size for name in self.file_names("")}
        return dict(nested) | sizes
