"""Where a repository lies: one Protocol for folders and buckets, and the rules for paths in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from kubeparcel.errors import ConfigurationError, ExternalError

T = TypeVar("T")

METADATA_FOLDER = ".kubeparcel"
"""The folder in a repository that is ours and no client's."""


class ConflictError(ExternalError):
    """Another publisher was faster: what we would replace is no longer what we read."""


@dataclass(frozen=True)
class FolderSwap:
    """What a folder is to hold next: new files by name, names that stay, names that go in last."""

    folder: str
    new_files: Mapping[str, bytes]
    kept_files: frozenset[str]
    entry_files: tuple[str, ...]


class StorageReader(Protocol):
    """A repository that can be looked at."""

    location: str

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        """The bytes of a file, or the first `limit` of them; None when there is none."""

    def file_sizes(self, prefix: str) -> Mapping[str, int] | None:
        """The files below a folder and their sizes in bytes; None when they cannot be listed."""


class Storage(StorageReader, Protocol):
    """A repository that can be changed. Paths are relative and checked by `safe`.

    `address` is the URL under which clients reach it, as far as that can be known here.
    """

    base_url: str

    def file_sizes(self, prefix: str) -> Mapping[str, int]:
        """The files below a folder and their sizes in bytes."""

    def file_names(self, folder: str) -> Sequence[str]:
        """The files directly in a folder, `` being the repository's own."""

    def add(self, files: Sequence[tuple[str, str]]) -> None:
        """Put files of this machine under new names; when this returns they are safely there."""

    def copy(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Give files that are there a second place: pairs of old and new path."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put small files, each at once and whole, whatever was there."""

    def remove(self, paths: Iterable[str]) -> None:
        """Take files away, and folders that are empty then."""

    def swap(self, swaps: Sequence[FolderSwap], begin: Mapping[str, bytes]) -> None:
        """Make folders hold what their swaps say, each as nearly at once as the storage can.

        First everything is prepared, then the files of `begin` are written, then clients see
        the new folders.
        """

    def lease(self, wait: float) -> AbstractContextManager[int]:
        """Be the only publisher; waits so many seconds. Gives the fencing token.

        Raises Busy naming the holder. A holder that died loses its lease by itself.
        """


def check_path(path: str) -> str:
    """The path, if it stays inside a repository; raises ConfigurationError."""
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise ConfigurationError(f"{path!r} is not a path inside a repository.")
    return path


def open_storage(target: str, base: Path | None = None) -> Storage:
    """The storage that `--to` names: a folder, or `s3://BUCKET/PREFIX`."""
    if target.startswith("s3://"):
        from kubeparcel.repository.storage.s3 import S3Storage

        return S3Storage.from_url(target)
    if "://" in target:
        raise ConfigurationError(
            f"{target}: cannot publish there.", "Give a folder, or s3://BUCKET/PREFIX."
        )
    from kubeparcel.repository.storage.folder import FolderStorage

    return FolderStorage((base or Path.cwd()) / target)
