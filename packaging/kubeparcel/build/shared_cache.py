"""The store of a build: the user's cache, with the remote that the settings name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kubeparcel.config.setting_types import LOCAL_WORKERS
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError
from kubeparcel.record_key import VARIABLE
from kubeparcel.shared_store import Remote, SharedStore
from kubeparcel.store import Store
from kubeparcel.user_cache import open_store

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


def open_build_store(settings: Settings, log: Log) -> Store:
    """Return the user's cache, with the settings' remote if they name one.

    With workers on other machines, binaries stay in the remote; raises ConfigurationError if there is none.
    """
    elsewhere = bool(settings.workers) and not settings.workers.startswith(LOCAL_WORKERS)
    store, remote = open_store(log), open_remote_cache(settings, log, lookup_only=elsewhere)
    if remote is None:
        if elsewhere:
            raise ConfigurationError(
                f"--workers {settings.workers}: workers on other machines get files through a remote cache.",
                "Set one that all machines reach: --cache-remote DIR|s3://BUCKET/PREFIX.",
            )
        return store
    if not os.environ.get(VARIABLE):
        log.info(
            "Cache",
            f"{remote.location} · files only: set {VARIABLE} to the same secret on all machines,\n"
            "so that they also use each other's compiled binaries and packages.",
        )
    return SharedStore(store.root, remote)


def open_remote_cache(settings: Settings, log: Log, *, lookup_only: bool = False) -> Remote | None:
    """Return the settings' remote, None if they name none."""
    if not settings.cache_remote:
        return None
    from kubeparcel.repository.storage.factory import open_remote

    return Remote(open_remote(settings.cache_remote, settings.base), log, lookup_only=lookup_only)
