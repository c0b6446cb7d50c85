"""Which release is meant: from the settings and kubeparcel.lock to a lock, and what it holds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeparcel.build import lockfile, pipeline
from kubeparcel.config import catalog as catalogs
from kubeparcel.console import Log
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Binaries, Lock, Request
from kubeparcel.paths import cache_dir
from kubeparcel.store import Store

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


def resolve_or_load(settings: Settings, log: Log, *, locked: bool, dry_run: bool = False) -> Lock:
    """The lock that answers the settings: the one that is there, or a new one, written.

    `locked` makes a missing or other lock an error; `keep` does not write.
    """
    path = settings.base / lockfile.NAME
    known = lockfile.read(path)
    request = effective_request(settings, known)
    if known and lockfile.satisfies(known, request):
        log.info("Release", describe_lock(known, lockfile.NAME))
        return known
    if locked:
        why = "does not answer what is asked" if known else "is missing"
        raise ConfigurationError(
            f"{lockfile.NAME} {why}, and --locked forbids to change it.",
            "Run inv resolve with the same options, look at the difference, and commit it.",
        )
    lock = _resolve(request, log)
    if not dry_run:
        lockfile.write(lock, path)
    log.info(
        "Release", describe_lock(lock, "not written" if dry_run else f"{lockfile.NAME} written")
    )
    return lock


def effective_request(settings: Settings, known: Lock | None) -> Request:
    """What is asked for; where no version is named anywhere, the lock's own request."""
    request = settings.request()
    if known and "kubernetes" not in settings.model_fields_set:
        return dataclasses.replace(request, kubernetes=known.request.kubernetes)
    return request


def _resolve(request: Request, log: Log) -> Lock:
    lock = pipeline.resolve(request, catalogs.load(), log)
    for warning in lock.warnings:
        log.warn(warning)
    return lock


def describe_lock(lock: Lock, remark: str) -> str:
    """`Kubernetes 1.36.3 · cri-tools 1.36.0 · CNI plugins 1.9.1 (…)`."""
    titles = catalogs.load().components
    parts = [f"{titles[c.name].title} {c.version}" for c in lock.components]
    return f"{' · '.join(parts)}   ({remark}, source {lock.source})"


@dataclass(frozen=True)
class LockUpdate:
    """A fresh lock beside the one that was there."""

    lock: Lock
    differences: tuple[str, ...]
    written: bool

    @property
    def exit_code(self) -> int:
        """1 when the lock that was there is not current."""
        return 1 if self.differences else 0

    def show(self, *, as_json: bool) -> str:
        """What changed, for people or as JSON."""
        if as_json:
            versions = {c.name: str(c.version) for c in self.lock.components}
            document = {"source": self.lock.source, "versions": versions}
            return json.dumps({**document, "differences": self.differences}, indent=2)
        if not self.differences:
            return f"{lockfile.NAME} is current."
        state = "written" if self.written else "not current"
        return "\n  ".join([f"{lockfile.NAME} {state}:", *self.differences])


def update_lock(
    settings: Settings, log: Log, *, refresh: str = "", check: bool = False
) -> LockUpdate:
    """Resolve anew and write the lock, or with `check` only compare.

    `refresh` keeps every version and believes the source anew for one binary or archive.
    """
    path = settings.base / lockfile.NAME
    known = lockfile.read(path)
    request = effective_request(settings, known)
    new = _refreshed(known, refresh, settings.mirror) if refresh else _resolve(request, log)
    changes = tuple(lockfile.differences(known, new)) if known else ("there was no lock",)
    if known and not changes and not lockfile.satisfies(known, request):
        changes = ("the request differs",)
    if not check and (changes or not known):
        lockfile.write(new, path)
    log.info("Release", describe_lock(new, lockfile.NAME))
    return LockUpdate(new, changes, written=not check)


def _refreshed(known: Lock | None, name: str, mirror: str) -> Lock:
    there = sorted({a.name for a in known.artifacts}) if known else []
    if not known or name not in there:
        raise ConfigurationError(
            f"{lockfile.NAME} holds no {name}.", f"It holds: {', '.join(there) or 'nothing'}."
        )
    source = pipeline.create_source(known.source, catalogs.load(), mirror, known.toolchain)
    components = []
    for component in known.components:
        if name not in {a.name for a in component.artifacts}:
            components.append(component)
            continue
        arches = list(dict.fromkeys(a.arch for a in component.artifacts))
        fresh = source.pin(component.name, component.version, arches)
        digests = {(a.name, a.arch): a for a in fresh.artifacts if a.name == name}
        artifacts = tuple(digests.get((a.name, a.arch), a) for a in component.artifacts)
        components.append(dataclasses.replace(component, artifacts=artifacts))
    return dataclasses.replace(known, components=tuple(components))


@dataclass(frozen=True)
class FetchResult:
    """The binaries of a lock, with their places in the store."""

    lock: Lock
    binaries: Binaries
    store: Store

    def show(self, *, as_json: bool) -> str:
        """A line a binary, or JSON."""
        rows: list[Mapping[str, Any]] = [
            {
                "name": name,
                "arch": str(arch),
                "sha256": sha256,
                "path": str(self.store.path(sha256)),
            }
            for (_, arch), names in self.binaries.items()
            for name, sha256 in sorted(names.items())
        ]
        if as_json:
            return json.dumps({"source": self.lock.source, "binaries": rows}, indent=2)
        return "\n".join(f"{row['name']:<14} {row['arch']:<8} {row['path']}" for row in rows)


def fetch_release(settings: Settings, log: Log, *, locked: bool) -> FetchResult:
    """Get the binaries of the settings' release into the store."""
    lock, store = resolve_or_load(settings, log, locked=locked), Store(cache_dir())
    catalog = catalogs.load()
    binaries = pipeline.fetch(lock, settings.arch, catalog, settings.mirror, store, log)
    return FetchResult(lock, binaries, store)


def mirror_release(settings: Settings, to: Path, log: Log) -> str:
    """Copy upstream's files of the settings' release into a folder; give what was done."""
    from kubeparcel.sources import mirror as mirrors

    request = dataclasses.replace(settings.request(), source="upstream")
    known = lockfile.read(settings.base / lockfile.NAME)
    lock = known if known and lockfile.satisfies(known, request) else _resolve(request, log)
    log.info("Release", describe_lock(lock, "to mirror"))
    return mirrors.fill_mirror(to, lock, catalogs.load().components, settings.mirror, log)


def list_versions(settings: Settings, log: Log) -> list[str]:
    """The newest release of each minor that the source has."""
    chosen = pipeline.select_source(settings.request(), catalogs.load(), log)
    return [str(version) for version in chosen.versions()]
