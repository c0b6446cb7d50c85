"""Lock, fetch and build a single release."""

from __future__ import annotations

from pathlib import Path

from kubeparcel.build import pipeline
from kubeparcel.build.lock import lockfile, update
from kubeparcel.build.lock.releases import lock_releases
from kubeparcel.build.pipeline import FetchResult
from kubeparcel.build.results import BuildResult
from kubeparcel.config.releases import Releases
from kubeparcel.config.settings import Settings
from kubeparcel.console import Log
from kubeparcel.errors import KubeparcelError
from kubeparcel.lock_models import Lock


def build(settings: Settings, log: Log, *, locked: bool = False) -> BuildResult:
    """Build the release of settings."""
    result = pipeline.build(_only(settings), log, locked=locked)
    assert isinstance(result, BuildResult)
    return result


def fetch_release(settings: Settings, log: Log, *, locked: bool) -> FetchResult:
    """Fetch the binaries of the settings' release; raise the error that prevents it."""
    (release,) = pipeline.fetch_releases(_only(settings), log, locked=locked)
    if isinstance(release, KubeparcelError):
        raise release
    return release


def resolve_or_load(settings: Settings, log: Log, *, locked: bool, dry_run: bool = False) -> Lock:
    """Return the lock of the settings' release, from the file or resolved."""
    return lock_releases(_only(settings), log, locked=locked, dry_run=dry_run)[0].required_lock


def update_lock(settings: Settings, log: Log, *, refresh: str = "", check: bool = False) -> update.LockUpdate:
    """Resolve the settings' release again."""
    return update.update_locks(_only(settings), log, refresh=refresh, check=check).updates[0]


def read_lock(path: Path) -> Lock | None:
    """Return the first lock of a file; None if it is missing."""
    return next(iter(lockfile.read_all(path)), None)


def write_lock(lock: Lock, path: Path) -> None:
    """Write the file of one release."""
    lockfile.write_all([lock], path)


def _only(settings: Settings) -> Releases:
    return Releases((settings,), (0,))
