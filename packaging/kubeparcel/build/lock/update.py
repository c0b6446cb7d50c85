"""Updates kubeparcel.lock to what the source has now, or compares it (`resolve`, `--check`, `--refresh`)."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kubeparcel.build.lock import comparison, lockfile
from kubeparcel.build.lock import document as lock_document
from kubeparcel.build.lock.components import locked_components
from kubeparcel.build.lock.releases import (
    LockedRelease,
    announce,
    merge_locks,
    previous_lock,
    requested_releases,
    with_lock,
)
from kubeparcel.build.lock.resolver import request_of, resolve_again
from kubeparcel.config.releases import Releases
from kubeparcel.config.settings import Settings
from kubeparcel.console import Log, WithoutRepetitions
from kubeparcel.errors import ConfigurationError
from kubeparcel.lock_models import Lock
from kubeparcel.sources.selection import create_source, warn_of_unused_settings
from kubeparcel.tables import format_table


@dataclass(frozen=True)
class LockUpdate:
    """A freshly resolved release, and the differences from its previous lock."""

    release: LockedRelease
    differences: tuple[str, ...]
    written: bool

    @property
    def exit_code(self) -> int:
        """The exit code of the error, if resolving failed; else 1 if the previous lock was outdated, and 0 if not."""
        if self.release.error:
            return self.release.error.exit_code
        return 1 if self.differences else 0

    def document(self) -> dict[str, Any]:
        """Return the JSON document of `--json`."""
        release = self.release
        if release.error:
            error = release.error.message
            return {"requested": lock_document.request_document(release.request), "error": error}
        lock = release.required_lock
        return {
            "source": lock.source,
            "requested": lock_document.request_document(release.request),
            "locked": lock_document.summary(release.previous) if release.previous else None,
            "versions": {c.name: str(c.version) for c in lock.components},
            "inputs": lock_document.artifact_documents(lock),
            "differences": self.differences,
        }

    def as_text(self) -> str:
        """Return a table of what is requested, locked and available, and the changed digests."""
        release = self.release
        requested = lock_document.request_document(release.request)
        available = lock_document.summary(release.required_lock)
        locked = lock_document.summary(release.previous) if release.previous else {}
        previous = locked_components(release.previous) if release.previous else {}
        components = {**previous, **locked_components(release.required_lock)}
        names = [name for name in components if name in {*requested, *locked, *available}]
        titles = {name: components[name].title for name in names}
        rows = [
            [title, *(_cell(values.get(name, "none")) for values in (requested, locked, available))]
            for name, title in {**titles, "arches": "Architectures", "source": "Source"}.items()
        ]
        table = format_table(["", "Requested", "Locked", "Available"], rows)
        return "\n".join([f"{lockfile.NAME} {self.state}:", table, *(f"  {line}" for line in self.changed_digests)])

    @property
    def state(self) -> str:
        """What happened to the file."""
        return ("written" if self.written else "is outdated") if self.differences else "is up to date"

    @property
    def changed_digests(self) -> list[str]:
        """The differences of files, with short digests."""
        return [_DIGEST.sub(r"\1…", line) for line in self.differences if _FILE_DIFFERENCE.search(line)]


@dataclass(frozen=True)
class LockUpdates:
    """The updates of all releases."""

    updates: tuple[LockUpdate, ...]

    def exit_code(self, *, check: bool) -> int:
        """Return the highest exit code of all; differences count with `check` only."""
        return max(update.exit_code if check or update.release.error else 0 for update in self.updates)

    def as_json(self) -> str:
        """Return the JSON document of `--json`; that of the release if there is one."""
        documents = [update.document() for update in self.updates]
        return json.dumps(documents[0] if len(documents) == 1 else {"releases": documents}, indent=2)

    def as_text(self) -> str:
        """Return the table of the release, or a line for each of several."""
        if len(self.updates) == 1:
            return self.updates[0].as_text()
        rows, details = [], []
        for update in self.updates:
            release = update.release
            locked = str(release.previous.component("kubernetes").version) if release.previous else "none"
            available = release.title if release.lock else "none"
            rows.append([release.request.kubernetes, locked, available, "failed" if release.error else update.state])
            lines = update.changed_digests if release.lock else str(release.error).splitlines()
            details += [f"  {release.request.kubernetes}: {line}" for line in lines]
        return "\n".join([format_table(["Requested", "Locked", "Available", lockfile.NAME], rows), *details])


_DIGEST = re.compile(r"(sha256:\w{12}|h1:.{10})\S+")


_FILE_DIFFERENCE = re.compile(rf"{_DIGEST.pattern}|: checked against |: signed by ")


def _cell(value: str | Sequence[str]) -> str:
    """Return a table cell; four architectures take two lines' width, so they are counted."""
    if not isinstance(value, str):
        return ", ".join(value) if len(value) < 3 else f"{value[0]} and {len(value) - 1} more"
    return value or "default"


def update_locks(releases: Releases, log: Log, *, refresh: str = "", check: bool = False) -> LockUpdates:
    """Resolve the releases again and write the lock; with `check`, only compare.

    `refresh` keeps all versions and accepts the source's new checksum of one binary or archive. Of several releases,
    one that cannot be resolved keeps its lock.
    """
    log, path = WithoutRepetitions(log), releases.settings[0].base / lockfile.NAME
    locks = lockfile.read_all(path)
    releases = requested_releases(releases, locks)
    if refresh:
        _require_artifact(refresh, locks)
    alone = len(releases.numbers) == 1
    updates = {
        number: _update(releases.settings[number], locks, refresh, log, check=check, alone=alone)
        for number in releases.numbers
    }
    found = {number: update.release.lock or update.release.previous for number, update in updates.items()}
    merged = merge_locks(releases, found, locks)
    is_changed = [lock.components for lock in locks] != [lock.components for lock in merged]
    if not check and merged and (is_changed or any(update.differences for update in updates.values())):
        lockfile.write_all(merged, path)
    announce([update.release.lock for update in updates.values() if update.release.lock], lockfile.NAME, log)
    return LockUpdates(tuple(updates.values()))


def _update(
    settings: Settings, locks: Sequence[Lock], refresh: str, log: Log, *, check: bool, alone: bool
) -> LockUpdate:
    request = request_of(settings)
    previous = previous_lock(locks, request, alone=alone)

    def resolve() -> Lock:
        if not (refresh and previous):
            return resolve_again(request, locks, log)
        warn_of_unused_settings(previous.source, request, log)
        return _refresh(previous, refresh, settings, log)

    release = with_lock(LockedRelease(settings, request, previous=previous), resolve, alone=alone)
    if release.lock is None:
        return LockUpdate(release, (), written=False)
    differences = tuple(comparison.differences(previous, release.lock)) if previous else ("no previous lock",)
    if previous and not differences:
        differences = tuple(comparison.mismatches(previous, request))
    return LockUpdate(release, differences, written=not check)


def _require_artifact(name: str, locks: Sequence[Lock]) -> None:
    names = sorted({artifact.name for lock in locks for artifact in lock.artifacts})
    if name not in names:
        raise ConfigurationError(
            f"{lockfile.NAME} has no artifact {name!r}.",
            f"It has: {', '.join(names)}." if names else "Run inv resolve to create it.",
        )


def _refresh(current: Lock, name: str, settings: Settings, log: Log) -> Lock:
    """Return the lock with the source's new digests of one binary or archive."""
    components_of_lock = locked_components(current)
    source = create_source(
        *(current.source, components_of_lock, settings.mirror, current.toolchain, settings.input_policy(), log),
        current.request.variant,
        settings.tree_folders() or None,
    )
    components = []
    for component in current.components:
        if name not in {artifact.name for artifact in component.artifacts}:
            components.append(component)
            continue
        arches = list(dict.fromkeys(artifact.arch for artifact in component.artifacts))
        pinned = source.pin(component.name, component.version.release, arches)
        for remark in pinned.remarks:
            log.warn(remark)
        refreshed = {(a.name, a.arch): a for a in pinned.artifacts if a.name == name}
        artifacts = tuple(refreshed.get((a.name, a.arch), a) for a in component.artifacts)
        components.append(dataclasses.replace(component, artifacts=artifacts))
    return dataclasses.replace(current, components=tuple(components))
