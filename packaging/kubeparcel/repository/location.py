"""What a location already contains: a repository, nothing, or somebody else's files."""

from __future__ import annotations

from kubeparcel.console import first_names
from kubeparcel.errors import UsageError
from kubeparcel.repository.storage.base import METADATA_FOLDER, Storage

_CLIENT_FILES = {"key.asc", "install-apt.sh", "install-yum.sh"}
"""Files by which a repository without its state is told from repositories of other programs."""


def is_repository(storage: Storage) -> bool:
    """Return whether there is a repository, also one whose first publish was interrupted or whose state is lost."""
    if storage.file_sizes(METADATA_FOLDER):
        return True
    return _CLIENT_FILES.issubset(storage.top_names()) and any(map(storage.file_sizes, ("apt/dists", "yum")))


def require_repository(storage: Storage) -> None:
    """Raise UsageError if there is no repository. Creates nothing."""
    if not is_repository(storage):
        raise UsageError(f"No repository at {storage.location}.", "Check --to, or create the repository: inv publish.")


def require_free_location(storage: Storage) -> None:
    """Raise UsageError for a location with somebody else's files, which a new repository could overwrite.

    Hidden files, such as those of a file system's root, do not count.
    """
    names = sorted(name for name in storage.top_names() if not name.startswith("."))
    if names and not is_repository(storage):
        raise UsageError(
            f"{storage.location} is not a repository, but contains other files ({first_names(names)}).",
            f"Publish to an empty or new folder, such as {storage.location}/kubernetes.",
        )
