"""Builds the packages that an upgrade starts from: those under test, one revision earlier."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.build.manifests import finalize
from kubeparcel.build.package_plan import PackagePlan
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.release_build import assemble_packages
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.errors import UnknownVersion
from kubeparcel.lock_models import Binaries, Component, Lock, Request
from kubeparcel.model import Arch, Version
from kubeparcel.packages import provenance
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.model import ElfInfo, PackageContents
from kubeparcel.packages.reader import read_package
from kubeparcel.store import Store
from kubeparcel.user_cache import open_store

if TYPE_CHECKING:
    from kubeparcel.config.catalog_models import PackageSpec
    from kubeparcel.config.settings import Settings


@dataclass(frozen=True)
class PreviousRevision:
    """Builds packages with the versions and binaries of given ones, and a revision that sorts before theirs.

    kubeparcel.lock does not matter: it may be of another release by now. Packages that kubeparcel
    did not build have no previous revision.
    """

    settings: Settings
    log: Log

    def build(self, packages: Sequence[PackageContents], folder: Path) -> list[Path]:
        """Build all packages into a folder and return their paths."""
        release = _Release.of(packages, self.settings)
        return self._assemble(self._plans(release, self._layout(release)), release, folder) if release else []

    def build_other_layout(self, packages: Sequence[PackageContents], folder: Path) -> list[Path]:
        """Build the packages that differ in the other layout, and return their paths."""
        release = _Release.of(packages, self.settings)
        if not release:
            return []
        layout = self._layout(release)
        other = next(name for name in catalogs.load().layouts if name != layout)
        own_plans = self._plans(release, layout)
        changed = [plan for plan in self._plans(release, other) if plan not in own_plans]
        return self._assemble(changed, release, folder)

    def _plans(self, release: _Release, layout: str) -> list[PackagePlan]:
        """Return the plans of the release's packages in a layout."""
        catalog, names = self.settings.catalog(), {name for _, name in release.packages}
        from kubeparcel.config.catalog_models import PackageSpec

        # Naming packages also selects the optional ones.
        unchanged = PackageSpec.model_validate({})
        selected = {name: unchanged for name in names if name in catalog.packages} | dict(self.settings.packages)
        settings = self.settings.model_copy(
            update={
                "layout": layout,
                "arch": (Arch.native(),),
                "packages": {name: spec for name, spec in selected.items() if name in names},
            }
        )
        known = {name: spec for name, spec in catalog.packages.items() if name in names}
        plans = plan_packages(settings, release.lock, catalog.model_copy(update={"packages": known}))
        return [
            dataclasses.replace(plan, revision=f"{package.revision}~0")
            for plan in plans
            if (package := release.packages.get((plan.format, plan.name)))
        ]

    def _layout(self, release: _Release) -> str:
        """Return the layout whose paths the packages have."""

        def matches(layout: str) -> tuple[int, bool]:
            paths = {
                (plan.format, plan.name, file.path) for plan in self._plans(release, layout) for file in plan.files
            }
            return len(paths & release.paths), layout == self.settings.layout

        return max(catalogs.load().layouts, key=matches)

    def _assemble(self, plans: Sequence[PackagePlan], release: _Release, folder: Path) -> list[Path]:
        store = open_store(self.log)
        release.store_binaries(store)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        manifests = [finalize(plan, release.lock, release.binaries, store) for plan in plans]
        for built in assemble_packages(manifests, store, self.log):
            paths.append(folder / Path(built.manifest.file_name).name)
            shutil.copyfile(store.get(built.sha256, paths[-1].name), paths[-1])
        return paths


@dataclass(frozen=True)
class _Release:
    """The release that packages were built from, as their provenance records it."""

    lock: Lock
    binaries: Binaries
    packages: Mapping[tuple[str, str], PackageContents]

    @classmethod
    def of(cls, packages: Sequence[PackageContents], settings: Settings) -> _Release | None:
        """Return the release of packages; None if none of them is a Kubernetes package that kubeparcel built."""
        components: dict[str, Component] = {}
        binaries: dict[tuple[str, Arch], dict[str, str]] = {}
        built: dict[tuple[str, str], PackageContents] = {}
        catalog = catalogs.load().packages
        specs = {**catalog, **settings.catalog_packages(catalog)}
        for package in packages:
            origin = _recorded_origin(package, specs.get(package.name))
            if origin is None:
                continue
            component, digests = origin
            components[component.name] = component
            binaries.setdefault((component.name, Arch.native()), {}).update(digests)
            built[package.format, package.name] = package
        if "kubernetes" not in components:
            return None
        return cls(Lock(Request(), "packages", tuple(components.values())), binaries, built)

    @property
    def paths(self) -> frozenset[tuple[str, str, str]]:
        """The paths of all packages, with their formats and names."""
        return frozenset(
            (format_, name, entry.path)
            for (format_, name), package in self.packages.items()
            for entry in package.entries
        )

    def store_binaries(self, store: Store) -> None:
        """Put the binaries into the store, from the packages."""
        digests = {digest for names in self.binaries.values() for digest in names.values()}
        for package in self.packages.values():
            missing = {digest for digest in digests if not store.has(digest)}
            if missing & {entry.sha256 for entry in package.entries}:
                read_package(package.file, _StoringCache(store, missing))


def _recorded_origin(package: PackageContents, spec: PackageSpec | None) -> tuple[Component, dict[str, str]] | None:
    """Return the component of a package and the digests of its binaries.

    The record may be anybody's: None unless it names the component of the package's specification
    and binaries that the package contains.
    """
    record = provenance.read_record(package)
    try:
        version = Version.parse(record["version"])
        digests = {name: text.removeprefix("sha256:") for name, text in record["binaries"].items()}
    except (KeyError, TypeError, AttributeError, UnknownVersion):
        return None
    files = {(entry.path.rpartition("/")[2], entry.sha256) for entry in package.entries if entry.kind == "file"}
    if spec is None or record.get("component") != spec.component or not files.issuperset(digests.items()):
        return None
    return Component(spec.component, version, package.build_time, ()), digests


class _StoringCache(InspectionCache):
    """Stores binaries of packages that are read."""

    def __init__(self, store: Store, digests: set[str]) -> None:
        super().__init__()
        self._store, self._digests = store, digests

    def elf(self, sha256: str, data: memoryview) -> ElfInfo:
        if sha256 in self._digests:
            self._store.add_bytes(data.tobytes())
        return super().elf(sha256, data)
