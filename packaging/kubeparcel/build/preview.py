"""What a build would do: which binaries it would fetch, and which packages it would build."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.build.assembler import cached_package
from kubeparcel.build.lock.components import locked_components, source_of
from kubeparcel.build.lock.releases import lock_releases
from kubeparcel.build.manifests import finalize
from kubeparcel.build.output import display_output, is_current
from kubeparcel.build.package_plan import PackagePlan
from kubeparcel.build.planner import plan_packages
from kubeparcel.build.release_plan import requested_artifacts
from kubeparcel.build.shared_cache import open_remote_cache
from kubeparcel.config import catalog as catalogs
from kubeparcel.config.releases import Releases
from kubeparcel.console import Log, quantity
from kubeparcel.errors import ExternalError
from kubeparcel.lock_models import Artifact, Lock
from kubeparcel.paths import cache_dir
from kubeparcel.shared_store import SharedStore
from kubeparcel.sources.selection import create_source
from kubeparcel.store import Store
from kubeparcel.tables import format_table
from kubeparcel.threads import parallel_map

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings
    from kubeparcel.sources.source import Source


@dataclass(frozen=True)
class ArtifactPreview:
    """An artifact, and what would be done: `cached`, `download` (with its size in bytes) or `compile`."""

    artifact: Artifact
    action: str
    size: int | None = None


@dataclass(frozen=True)
class PackagePreview:
    """A package file in the output folder, and what would be done: `up to date`, `cached` or `build`."""

    file: Path
    action: str


@dataclass(frozen=True)
class BuildPreview:
    """The artifacts and packages of a build, with what would be done for each."""

    lock: Lock
    artifacts: tuple[ArtifactPreview, ...]
    packages: tuple[PackagePreview, ...]

    def document(self) -> dict[str, Any]:
        """Return the JSON document of `--json`."""
        artifacts: list[dict[str, Any]] = [
            {**dataclasses.asdict(preview.artifact), "action": preview.action, "size": preview.size}
            for preview in self.artifacts
        ]
        packages = [{"file": str(preview.file), "action": preview.action} for preview in self.packages]
        return {"source": self.lock.source, "artifacts": artifacts, "packages": packages}

    def as_text(self) -> str:
        """Return a table of artifacts, one of packages, and a summary."""
        artifacts = [
            [
                preview.artifact.label,
                preview.action,
                quantity(preview.size, "B") if preview.size is not None else "",
                _place(preview.artifact),
            ]
            for preview in self.artifacts
        ]
        packages = [[str(preview.file), preview.action] for preview in self.packages]
        return "\n".join(
            [
                format_table(["Binary", "Action", "Size", "From"], artifacts, right=(2,)),
                "",
                format_table(["Package", "Action"], packages),
                f"Would {', '.join(self._summary()) or 'do nothing: everything is up to date'}",
            ]
        )

    def _summary(self) -> list[str]:
        actions = Counter([p.action for p in self.artifacts] + [p.action for p in self.packages])
        sizes = [preview.size for preview in self.artifacts if preview.action == "download"]
        total = quantity(sum(size or 0 for size in sizes), "B") + (" and more" if None in sizes else "")
        written = sum(preview.action != "up to date" for preview in self.packages)
        parts = {
            f"download {quantity(actions['download'], 'files')} ({total})": actions["download"],
            f"compile {quantity(actions['compile'], 'components')}": actions["compile"],
            f"build {quantity(actions['build'], 'packages')}": actions["build"],
            f"write {quantity(written, 'files')} to the output folder": written,
        }
        return [text for text, number in parts.items() if number]


def _place(artifact: Artifact) -> str:
    """Return the host of a URL, or the Go module."""
    return artifact.origin.split("/")[2] if "://" in artifact.origin else artifact.origin


class _MissingFile(Exception):
    """A file would have to be written to the store."""


class _ReadOnlyStore(Store):
    """The store of a dry run."""

    def add_bytes(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        if not self.has(digest):
            raise _MissingFile
        return digest

    def put_record(self, kind: str, key: str, value: Any) -> None:
        pass


class _ReadOnlySharedStore(_ReadOnlyStore, SharedStore):
    """The same with a remote, which is only asked what it has."""

    def has(self, sha256: str, *, here: bool = False) -> bool:
        return super().has(sha256)


def preview_releases(releases: Releases, log: Log, *, locked: bool) -> list[BuildPreview]:
    """Plan the build of the releases without writing anything, not even the lock."""
    locked_releases = lock_releases(releases, log, locked=locked, dry_run=True)
    return [preview(release.settings, release.required_lock, log) for release in locked_releases]


def preview(settings: Settings, lock: Lock, log: Log) -> BuildPreview:
    """Plan the build of one release."""
    catalog, remote = catalogs.for_request(lock.request), open_remote_cache(settings, log, lookup_only=True)
    store = _ReadOnlySharedStore(cache_dir(), remote) if remote else _ReadOnlyStore(cache_dir())
    source = create_source(
        *(lock.source, locked_components(lock), settings.mirror, lock.toolchain),
        variant=lock.request.variant,
        trees=settings.tree_folders() or None,
    )
    artifacts = requested_artifacts(lock, settings)
    binaries = {artifact: source.cached(artifact, store) for artifact in artifacts}
    missing = [artifact for artifact, digests in binaries.items() if digests is None]
    sizes = dict(zip(missing, _download_sizes(source, missing, log), strict=True))
    plans, out = plan_packages(settings, lock, catalog), settings.base / settings.out
    return BuildPreview(
        lock,
        tuple(
            ArtifactPreview(a, _fetch_action(a, lock), sizes[a]) if a in sizes else ArtifactPreview(a, "cached")
            for a in artifacts
        ),
        tuple(
            PackagePreview(display_output(settings) / plan.file_name, _package_action(plan, lock, binaries, store, out))
            for plan in plans
        ),
    )


def _fetch_action(artifact: Artifact, lock: Lock) -> str:
    return "download" if source_of(lock, artifact.component) == "upstream" else "compile"


def _download_sizes(source: Source, artifacts: Sequence[Artifact], log: Log) -> Sequence[int | None]:
    try:
        return parallel_map(lambda artifact, _: source.download_size(artifact), artifacts)
    except ExternalError as error:
        log.warn(f"The sizes of downloads are unknown: {error.message}")
        return [None] * len(artifacts)


def _package_action(
    plan: PackagePlan, lock: Lock, cached: Mapping[Artifact, Mapping[str, str] | None], store: Store, out: Path
) -> str:
    """Return `up to date`, `cached` (in the store only) or `build`."""
    digests: dict[str, str] = {}
    for artifact, binaries in cached.items():
        if (artifact.component, artifact.arch) == (plan.component, plan.arch):
            if binaries is None:
                return "build"
            digests.update(binaries)
    try:
        manifest = finalize(plan, lock, {(plan.component, plan.arch): digests} if plan.arch else {}, store)
    except _MissingFile:
        return "build"
    built = cached_package(manifest, store)
    if built is None:
        return "build"
    return "up to date" if is_current(built, out) else "cached"
