"""Puts the patches of a lock into the store: local files, and downloads, by their digests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kubeparcel.config.patch_settings import read_patch
from kubeparcel.console import Log
from kubeparcel.errors import DigestError
from kubeparcel.lock_models import Patch
from kubeparcel.packages import limits
from kubeparcel.sources.http.download import HttpTransport
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.store import Store
from kubeparcel.threads import CancelToken


def store_patches(patches: Iterable[Patch], base: Path, store: Store, log: Log) -> None:
    """Add the patches to the store that it lacks; local ones are relative to `base`.

    Raises DigestError for one that is not what the lock records.
    """
    for patch in patches:
        if store.has(patch.sha256):
            continue
        if "://" in patch.location:
            _download(patch, store, log)
        elif (actual := store.add_bytes(read_patch(base / patch.location, patch.component))) != patch.sha256:
            raise DigestError(
                f"{patch.location}: the sha256 is {actual[:12]}…, kubeparcel.lock has {patch.sha256[:12]}….",
                "Run the command again, or resolve again: inv resolve",
            )


def _download(patch: Patch, store: Store, log: Log) -> None:
    log.info("Patch", patch.location)
    with store.scratch() as folder:
        file = folder / "patch"
        HttpTransport("", RetryPolicy(), limits.PATCH).copy(patch.location, file, lambda *_: None, CancelToken())
        store.add(file, patch.sha256, patch.name)
