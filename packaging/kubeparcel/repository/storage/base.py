"""Storage of a repository: the Protocols for folders and buckets, and the rule for paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.repository.file_stamp import FileStamp

T = TypeVar("T")

METADATA_FOLDER = ".kubeparcel"
"""The folder in a repository for its state and lock; clients never read it."""


class ConflictError(ExternalError):
    """Another publisher changed a file after it was read, or holds the lease now."""


@dataclass(frozen=True)
class FolderSwap:
    """The next contents of a folder: new files by name, and existing files that stay.

    `entry_files` are those of the new files that clients read first (Release, repomd.xml); they
    are written last. All other files are deleted.
    """

    folder: str
    new_files: Mapping[str, bytes]
    kept_files: frozenset[str]
    entry_files: tuple[str, ...]


class StorageReader(Protocol):
    """A repository that can be read. Paths are relative to it and checked by `check_path`."""

    location: str

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        """Return a file, or its first `limit` bytes; None if it does not exist."""

    def file_sizes(self, prefix: str) -> Mapping[str, int] | None:
        """Return the files below a folder with their sizes in bytes; None if listing fails."""


class Storage(StorageReader, Protocol):
    """A repository that can be changed.

    `base_url` is the URL under which clients reach it, as far as the storage can tell.
    """

    base_url: str

    def contains(self, path: str, data: bytes) -> bool:
        """Return whether a small file has this content."""

    def file_sizes(self, prefix: str) -> Mapping[str, int]:
        """Return the files below a folder with their sizes in bytes."""

    def file_names(self, folder: str) -> Sequence[str]:
        """Return the names of the files directly in a folder; `""` is the repository itself."""

    def top_names(self) -> Sequence[str]:
        """Return the names of the files and folders in the repository's own folder."""

    def add(self, files: Sequence[tuple[str, FileStamp]]) -> None:
        """Store copies of local files: pairs of new path and local file. Durable on return.

        Raises ConfigurationError for a file that has changed since its stamp was made.
        """

    def copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Copy stored files: pairs of existing and new path."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write small files, replacing existing ones; each changes atomically."""

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files, and folders that become empty. Missing files are ignored."""

    def swap(self, swaps: Sequence[FolderSwap], state_files: Mapping[str, bytes]) -> None:
        """Replace the contents of folders, each as atomically as the storage allows.

        Order: everything that can be prepared unseen, `state_files`, the folders.
        """

    def lease(self, wait: float) -> AbstractContextManager[int]:
        """Acquire the exclusive publisher lease and return its fencing token.

        Waits up to `wait` seconds, then raises Busy, naming the holder. The lease of a process
        that died ends by itself.
        """


def check_path(path: str) -> str:
    """Return the path if it is relative and stays inside the repository.

    Raises ConfigurationError.
    """
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise ConfigurationError(f"Invalid path {path!r}: it is not inside the repository.")
    return path
