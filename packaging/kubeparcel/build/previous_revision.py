"""Builds the packages that an upgrade starts from: the same release, one revision earlier."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.build import lockfile, pipeline
from kubeparcel.build.planner import PackagePlan, plan_packages
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.model import Lock
from kubeparcel.paths import cache_dir
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


@dataclass(frozen=True)
class PreviousRevision:
    """Builds packages of kubeparcel.lock with a revision that sorts before that of the settings.

    Without a lock, no packages are built.
    """

    settings: Settings
    log: Log

    def build(self, folder: Path) -> list[Path]:
        """Build all packages into a folder and return their paths."""
        lock = lockfile.read(self.settings.base / lockfile.NAME)
        if lock is None:
            return []
        return self._assemble(plan_packages(self._settings(), lock, catalogs.load()), lock, folder)

    def build_other_layout(self, folder: Path) -> list[Path]:
        """Build the packages that differ in the other layout, and return their paths."""
        lock = lockfile.read(self.settings.base / lockfile.NAME)
        if lock is None:
            return []
        catalog = catalogs.load()
        other = next(name for name in catalog.layouts if name != self.settings.layout)
        own_plans = plan_packages(self._settings(), lock, catalog)
        other_plans = plan_packages(self._settings(layout=other), lock, catalog)
        changed = [plan for plan in other_plans if plan not in own_plans]
        return self._assemble(changed, lock, folder)

    def _settings(self, **changes: object) -> Settings:
        revision = f"{self.settings.revision}~0"
        return self.settings.model_copy(update={**changes, "revision": revision})

    def _assemble(self, plans: Sequence[PackagePlan], lock: Lock, folder: Path) -> list[Path]:
        store = Store(cache_dir())
        binaries = pipeline.fetch(lock, self.settings, store, self.log)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for built in pipeline.assemble_packages(plans, lock, binaries, store, self.log):
            paths.append(folder / Path(built.manifest.file_name).name)
            shutil.copyfile(store.path(built.sha256), paths[-1])
        return paths
