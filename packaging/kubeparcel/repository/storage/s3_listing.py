"""What a bucket contains, as far as listings under the lease and our own writes tell: one request instead of many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class StoredFile(NamedTuple):
    """The size of a file in bytes, and its ETag."""

    size: int
    etag: str | None


class Listings:
    """The files below listed folders by path. With the lease nobody else writes, so they stay valid."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, StoredFile]] = {}

    def clear(self) -> None:
        """Forget everything: others may write."""
        self._folders.clear()

    def below(self, prefix: str) -> Mapping[str, StoredFile] | None:
        """Return the files below a folder; None if neither it nor a folder around it was listed."""
        for folder, files in self._folders.items():
            if folder and f"{prefix}/".startswith(f"{folder}/"):
                return {path: file for path, file in files.items() if path.startswith(f"{prefix}/")}
        return None

    def at_top(self) -> Mapping[str, StoredFile] | None:
        """Return the files directly in the repository's own folder; None if it was not listed."""
        return self._folders.get("")

    def store(self, folder: str, files: Mapping[str, StoredFile]) -> None:
        """Store the listing of a folder: of all files below it, or for the empty path of those directly in it."""
        self._folders[folder] = dict(files)

    def is_missing(self, path: str) -> bool:
        """Return whether a listing shows that there is no such file."""
        folder = self._listed(path)
        return folder is not None and path not in folder

    def has_content(self, path: str, data: bytes) -> bool | None:
        """Return whether a file has this content, which its ETag tells if it is an MD5; None if it was not listed."""
        folder = self._listed(path)
        if folder is None:
            return None
        file = folder.get(path)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return file is not None and file.etag is not None and file.etag.strip('"') == digest

    def written(self, path: str, file: StoredFile) -> None:
        """Note that we wrote a file."""
        if (folder := self._listed(path)) is not None:
            folder[path] = file

    def removed(self, paths: Iterable[str]) -> None:
        """Note that we removed files."""
        for path in paths:
            if (folder := self._listed(path)) is not None:
                folder.pop(path, None)

    def _listed(self, path: str) -> dict[str, StoredFile] | None:
        if "/" not in path:
            return self._folders.get("")
        return next(
            (files for folder, files in self._folders.items() if folder and path.startswith(f"{folder}/")), None
        )
