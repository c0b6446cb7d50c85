"""Packages to begin with, when nobody gives any: the same release, one revision before."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.build import lockfile, pipeline
from kubeparcel.build.planner import PlannedPackage, plan
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.model import Lock
from kubeparcel.paths import cache_dir
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


def earlier(settings: Settings, folder: Path, log: Log) -> list[Path]:
    """Make the packages of kubeparcel.lock with a revision that sorts before the settings' own.

    The binaries are in the store since the build. Gives no packages where there is no lock.
    """
    lock = lockfile.read(settings.base / lockfile.NAME)
    if lock is None:
        return []
    return _made(plan(_before(settings), lock, catalogs.load()), lock, settings, folder, log)


def other_layout(settings: Settings, folder: Path, log: Log) -> list[Path]:
    """Make those of them that a layout changes, in the other layout than the settings' own."""
    lock = lockfile.read(settings.base / lockfile.NAME)
    if lock is None:
        return []
    catalog = catalogs.load()
    other = next(name for name in catalog.layouts if name != settings.layout)
    ours = plan(_before(settings), lock, catalog)
    theirs = plan(_before(settings, layout=other), lock, catalog)
    return _made([one for one in theirs if one not in ours], lock, settings, folder, log)


def _before(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update={**changes, "revision": f"{settings.revision}~0"})


def _made(
    planned: Sequence[PlannedPackage], lock: Lock, settings: Settings, folder: Path, log: Log
) -> list[Path]:
    store, catalog = Store(cache_dir()), catalogs.load()
    binaries = pipeline.fetch(lock, settings.arch, catalog, settings.mirror, store, log)
    made = pipeline.make(planned, lock, binaries, store, log)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / Path(one.package.file_name).name for one in made]
    for one, path in zip(made, paths, strict=True):
        shutil.copyfile(store.path(one.sha256), path)
    return paths
