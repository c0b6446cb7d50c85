"""The main job from end to end: a Kubernetes version becomes checked packages in a folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.build import lockfile, pipeline
from kubeparcel.build.assembler import BuiltPackage
from kubeparcel.build.planner import PackagePlan, plan_packages
from kubeparcel.build.release import resolve_or_load
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log, duration, quantity
from kubeparcel.model import Lock
from kubeparcel.paths import cache_dir
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings
    from kubeparcel.reports.results import Report


@dataclass(frozen=True)
class BuildResult:
    """What a build made, and what the check said of it."""

    out: Path
    lock: Lock
    packages: tuple[BuiltPackage, ...]
    changed: tuple[Path, ...]
    report: Report
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 when every check passed, else 1."""
        return 0 if self.report.passed else 1

    def package_entries(self) -> list[dict[str, Any]]:
        """One row a package, for the table and for JSON."""
        return [
            {
                "package": one.package.name,
                "version": f"{one.package.version}-{one.package.revision}",
                "arch": one.package.arch_name,
                "format": str(one.package.format),
                "file": str(self.out / one.package.file_name),
                "size": one.size,
                "sha256": one.sha256,
                "source": component_origin(self.lock, one.package.component),
                "seconds": round(one.seconds, 2),
            }
            for one in self.packages
        ]

    def as_json(self) -> str:
        """The one document of `--json`."""
        document = {
            "kubernetes": str(self.lock.component("kubernetes").version),
            "source": self.lock.source,
            "packages": self.package_entries(),
            "changed": [str(path) for path in self.changed],
            "checks": self.report.as_dict(),
            "seconds": round(self.seconds, 2),
        }
        return json.dumps(document, indent=2)

    def as_text(self) -> str:
        """The table for people, or one line when nothing had to be done."""
        if (
            not self.changed
            and self.report.passed
            and not any(one.seconds for one in self.packages)
        ):
            return (
                f"Nothing to do: {self.out} is up to date with {lockfile.NAME} "
                f"({duration(self.seconds)})"
            )
        if not self.report.passed:
            return f"Nothing was put into {self.out}: {self.report.summary}"
        from kubeparcel.console import format_table

        heads = ["Package", "Version", "Arch", "Size", "sha256", "From", "Time"]
        rows = [
            [
                f"{row['package']} {row['format']}",
                row["version"],
                row["arch"],
                quantity(row["size"], "B"),
                row["sha256"][:12],
                _short(row["source"]),
                duration(row["seconds"]) if row["seconds"] else "kept",
            ]
            for row in self.package_entries()
        ]
        total = quantity(sum(one.size for one in self.packages), "B")
        return (
            f"{format_table(heads, rows, right=(3, 6))}\n"
            f"{self.out} · {len(self.packages)} packages, {total} · SHA256SUMS · "
            f"{duration(self.seconds)}"
        )


def component_origin(lock: Lock, component: str) -> str:
    """Where a component came from: the module and its sum, or the host of upstream's."""
    if not component:
        return "kubeparcel.yaml"
    first = lock.component(component).artifacts[0]
    return f"{first.origin} {first.digest}" if lock.source == "go" else first.origin.split("/")[2]


def _short(source: str) -> str:
    """The same in a table's width: `Go h1:qDQdoMil…`."""
    _, blank, digest = source.partition(" ")
    return f"Go {digest[:11]}…" if blank else source


@dataclass(frozen=True)
class BuildPreview:
    """What a build would get and make."""

    lock: Lock
    plans: tuple[PackagePlan, ...]
    out: Path

    def show(self, *, as_json: bool) -> str:
        """The plan, for people or as JSON."""
        get = [dataclasses.asdict(artifact) for artifact in self.lock.artifacts]
        made = [str(self.out / package.file_name) for package in self.plans]
        if as_json:
            return json.dumps({"get": get, "make": made}, indent=2)
        lines = [f"{a.label:<22} {a.origin}  {a.digest[:18]}…" for a in self.lock.artifacts]
        return "\n  ".join(["Would get:", *lines]) + "\n" + "\n  ".join(["Would make:", *made])


def preview(settings: Settings, log: Log, *, locked: bool) -> BuildPreview:
    """Plan a build without doing anything, not even writing the lock."""
    lock = resolve_or_load(settings, log, locked=locked, dry_run=True)
    return BuildPreview(
        lock, plan_packages(settings, lock, catalogs.load()), settings.base / settings.out
    )


def build(settings: Settings, log: Log, *, locked: bool = False) -> BuildResult:
    """Do it: resolve, fetch, assemble, check, deliver."""
    started = time.monotonic()
    store, catalog, out = Store(cache_dir()), catalogs.load(), settings.base / settings.out
    with pipeline.lock_output_folder(out):
        lock = resolve_or_load(settings, log, locked=locked)
        planned = plan_packages(settings, lock, catalog)
        binaries = pipeline.fetch(lock, settings.arch, catalog, settings.mirror, store, log)
        made, report = pipeline.assemble_and_check(planned, lock, binaries, store, log)
        changed = pipeline.write_output(made, store, out) if report.passed else ()
    shown = out.relative_to(settings.base) if out.is_relative_to(settings.base) else out
    return BuildResult(shown, lock, made, changed, report, time.monotonic() - started)


def clean(settings: Settings, *, store: bool = False) -> str:
    """Remove the packages that SHA256SUMS names, and with `store` the cache; say what went.

    Reports of verify go as well; with `store` the engines lose the images that it knows.
    """
    from kubeparcel.reports.output import REPORT_NAMES

    out = settings.base / settings.out
    sums = out / "SHA256SUMS"
    packages = [out / name for name in pipeline.read_checksums(sums)]
    reports = (out / name for name in REPORT_NAMES)
    for path in (*packages, *reports, sums, out / ".lock", out / ".lock.holder"):
        path.unlink(missing_ok=True)
    for folder in (out / "deb", out / "rpm", out):
        with suppress(OSError):  # what others put there stays
            folder.rmdir()
    said = f"Removed {len(packages)} packages from {settings.out}."
    if store:
        from kubeparcel.hosts import image_cache

        images = image_cache.clear_images(Store(cache_dir()))
        said += f"\nRemoved {len(images)} images of hosts and nodes." if images else ""
        shutil.rmtree(cache_dir(), ignore_errors=True)
        said += f"\nRemoved the cache {cache_dir()}."
    return said
