"""Opens the storage that `--to` names."""

from __future__ import annotations

from pathlib import Path

from kubeparcel.errors import ConfigurationError
from kubeparcel.repository.storage.base import Storage
from kubeparcel.repository.storage.folder import FolderStorage
from kubeparcel.repository.storage.remotes import FolderRemote
from kubeparcel.sanitize import redact_url
from kubeparcel.shared_store import RemoteStorage


def open_storage(target: str) -> Storage:
    """Return the storage of a folder or of `s3://BUCKET/PREFIX`.

    Raises ConfigurationError for another URL, ToolError if obstore is needed and not installed.
    """
    if target.startswith("s3://"):
        from kubeparcel.repository.storage.s3 import S3Storage

        return S3Storage.from_url(target)
    if "://" in target:
        raise ConfigurationError(
            f"Unsupported repository location {redact_url(target)}.", "Give a folder, or s3://BUCKET/PREFIX."
        )
    return FolderStorage(Path.cwd() / target)


def open_remote(location: str, base: Path) -> RemoteStorage:
    """Return the remote cache in `s3://BUCKET/PREFIX` or in a folder, relative to `base`; raises as `open_storage`."""
    if location.startswith("s3://"):
        from kubeparcel.repository.storage.s3_bucket import Bucket

        return Bucket.from_url(location)
    if "://" in location:
        raise ConfigurationError(
            f"Unsupported remote cache {redact_url(location)}.", "Give a folder, or s3://BUCKET/PREFIX."
        )
    return FolderRemote(base / Path(location).expanduser())
