"""Packages to begin with, when nobody gives any: the same release, one revision before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .. import catalog as catalogs
from .. import lock as lockfile
from .. import pipeline
from ..log import Log
from ..paths import cache
from ..plan import plan
from ..store import Store

if TYPE_CHECKING:
    from ..settings import Settings


def earlier(settings: Settings, folder: Path, log: Log) -> list[Path]:
    """Make the packages of kubeparcel.lock with a revision that sorts before the settings' own.

    The binaries are in the store since the build. Gives no packages where there is no lock.
    """
    return _made(settings.model_copy(update={"revision": _before(settings)}), folder, log)


def other_layout(settings: Settings, folder: Path, log: Log) -> list[Path]:
    """Make the same in the other layout than the settings'; none where there is no lock."""
    layouts = catalogs.load().layouts
    other = next(name for name in layouts if name != settings.layout)
    changes = {"layout": other, "revision": _before(settings)}
    return _made(settings.model_copy(update=changes), folder, log)


def _before(settings: Settings) -> str:
    return f"{settings.revision}~0"


def _made(settings: Settings, folder: Path, log: Log) -> list[Path]:
    lock = lockfile.read(settings.base / lockfile.NAME)
    if lock is None:
        return []
    store, catalog = Store(cache()), catalogs.load()
    binaries = pipeline.fetch(lock, settings.arch, catalog, settings.mirror, store, log)
    made = pipeline.make(plan(settings, lock, catalog), lock, binaries, store, log)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / Path(one.package.file_name).name for one in made]
    for one, path in zip(made, paths, strict=True):
        shutil.copyfile(store.path(one.sha256), path)
    return paths
