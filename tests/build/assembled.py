"""Assemble packages and find their manifests."""

from __future__ import annotations

from collections.abc import Sequence

from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.manifests import finalize
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.release_build import assemble_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.lock_models import Binaries, Lock
from kubeparcel.packages.manifest import PackageManifest
from kubeparcel.store import Store
from tests.support.recording_log import RecordingLog


def manifests(lock: Lock, binaries: Binaries, store: Store, **flags: str) -> list[PackageManifest]:
    """Return the manifests of all packages of the settings."""
    plans = plan_packages(load_settings(flags), lock, catalog.load())
    return [finalize(plan, lock, binaries, store) for plan in plans]


def assembled(packages: Sequence[PackageManifest], store: Store) -> list[BuiltPackage]:
    return assemble_packages(packages, store, RecordingLog())
