"""Writes a release to the output folder, once its checks have passed."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.build.output import write_output
from kubeparcel.build.release_build import CheckedRelease
from kubeparcel.build.sboms import build_sboms, sbom_subjects
from kubeparcel.build.statements import write_statements
from kubeparcel.store import Store
from kubeparcel.trust.sbom_files import sbom_paths

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


@dataclass(frozen=True)
class WrittenRelease:
    """The files that changed in the output folder, and the paths of all SBOMs of the release there."""

    changed: tuple[Path, ...] = ()
    sboms: tuple[str, ...] = ()


def write_release(
    checked: CheckedRelease, store: Store, out: Path, described: Set[str] = frozenset(), run: str = ""
) -> WrittenRelease:
    """Write the packages of a release, their SBOMs and statements to the output folder, if all checks passed.

    Packages in `described`, which another release has written, keep their statements. `run` is what releases of one run
    have in common.
    """
    from kubeparcel.build.cache import record_build

    settings, lock, packages = checked.plan.settings, checked.plan.lock, checked.packages
    if not checked.report.passed:
        return WrittenRelease()
    sboms = build_sboms(lock, packages, store) if settings.sbom else {}
    without = dict.fromkeys(sbom_paths(sbom_subjects(lock, packages)))
    changed = write_output(packages, store, out, {**without, **sboms})
    own = [package for package in packages if package.manifest.file_name not in described]
    write_statements(own, settings, lock, checked.binaries, out)
    record_build(lock, packages, store, sboms.values(), run)
    return WrittenRelease(changed, tuple(sboms))


def display_output(settings: Settings) -> Path:
    """Return the output folder as results show it: relative to the settings' folder if it is below."""
    out = settings.base / settings.out
    return out.relative_to(settings.base) if out.is_relative_to(settings.base) else out
