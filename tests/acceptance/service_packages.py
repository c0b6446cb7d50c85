"""Packages for the service level: the real kubeadm and kubelet, and the others in miniature."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeparcel.build.lock import lockfile
from kubeparcel.build.manifests import finalize
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.release_build import fetch
from kubeparcel.config import catalog as catalogs
from kubeparcel.config import settings
from kubeparcel.console import QuietLog
from kubeparcel.model import Format
from kubeparcel.store import Store
from tests.acceptance.conftest import KUBERNETES, Site
from tests.acceptance.small_packages import make_programs_runnable, small_samples
from tests.support.one_release import read_lock
from tests.support.sample_packages import Mutation, PackageDraft, SamplePackages

REAL = ("kubeadm", "kubelet")


@dataclass(frozen=True)
class PackageWriter:
    """Writes packages of one revision and layout."""

    real: SamplePackages
    small: SamplePackages

    def write(self, name: str, format_: Format, folder: Path, mutate: Mutation | None = None) -> Path:
        """Write a package, with a fault if `mutate` is given."""
        if name in REAL:
            return self.real.write(self.real.manifest(name, format_), mutate, folder)

        def change(draft: PackageDraft) -> None:
            make_programs_runnable(draft)
            if mutate:
                mutate(draft)

        return self.small.write(self.small.manifest(name, format_), change, folder)


def create_writer(site: Site, store: Store, folder: Path, revision: str = "1", layout: str = "etc") -> PackageWriter:
    """Return a writer that uses the binaries that `site` has built."""
    lock, catalog = read_lock(site.folder / lockfile.NAME), catalogs.load()
    assert lock
    flags = {"kubernetes": KUBERNETES, "revision": revision, "layout": layout}
    chosen = settings.load_settings({**flags, "compression": "fast"}, folder)
    binaries = fetch(lock, chosen, store, QuietLog())
    packages = [finalize(plan, lock, binaries, store) for plan in plan_packages(chosen, lock, catalog)]
    samples = SamplePackages(store, {package.file_name: package for package in packages})
    return PackageWriter(samples, small_samples(folder, revision))
