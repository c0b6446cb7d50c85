"""The locks of all releases of a run: reused from kubeparcel.lock where they match, resolved where they do not."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubeparcel.build.lock import comparison, lockfile
from kubeparcel.build.lock.components import describe_inputs, describe_lock
from kubeparcel.build.lock.resolver import request_of, resolve_again
from kubeparcel.config.releases import Releases, version_stamp
from kubeparcel.console import Log, WithoutRepetitions
from kubeparcel.errors import ConfigurationError, KubeparcelError
from kubeparcel.lock_models import Lock, Request
from kubeparcel.sources.selection import warn_of_unused_settings

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings


@dataclass(frozen=True)
class LockedRelease:
    """A release with its lock, or why it has none; `previous` is the lock that it had before, if any.

    `note` distinguishes it from others of the same version, such as ` (revision 2)`.
    """

    settings: Settings
    request: Request
    lock: Lock | None = None
    previous: Lock | None = None
    error: KubeparcelError | None = None
    note: str = ""

    @property
    def title(self) -> str:
        """The version of Kubernetes, as its packages have it; as it is requested if it could not be resolved."""
        if self.lock:
            return f"{self.lock.component('kubernetes').version}{self.note}"
        stamp = version_stamp(self.settings)
        return f"{self.request.kubernetes}{f'+{stamp}' if stamp else ''}{self.note}"

    @property
    def required_lock(self) -> Lock:
        """The lock; raises the error of a release that could not be resolved."""
        if self.lock is None:
            raise self.error or ConfigurationError(f"Kubernetes {self.title} has no lock.")
        return self.lock


def requested_releases(releases: Releases, locks: Sequence[Lock]) -> Releases:
    """Return the releases; if no version of Kubernetes is set anywhere, those of the locks."""
    settings = releases.settings[0]
    if releases.fixed or not locks or "kubernetes" in settings.model_fields_set:
        return releases
    versions = dict.fromkeys(lock.request.kubernetes for lock in locks)
    expanded = tuple(settings.model_copy(update={"kubernetes": version}) for version in versions)
    return Releases(expanded, tuple(range(len(expanded))))


def lock_releases(releases: Releases, log: Log, *, locked: bool = False, dry_run: bool = False) -> list[LockedRelease]:
    """Return the selected releases with their locks; what the file does not have is resolved and written to it.

    With `locked`, a missing or different lock is an error; with `dry_run`, nothing is written. Of several releases,
    one that cannot be resolved has an error, and the others are not affected.
    """
    log, path = WithoutRepetitions(log), releases.settings[0].base / lockfile.NAME
    locks = lockfile.read_all(path)
    releases = requested_releases(releases, locks)
    found: dict[int, LockedRelease] = {}
    alone = len(releases.numbers) == 1
    for number in releases.numbers:
        settings = releases.settings[number]
        request = request_of(settings)
        current = matching_lock(locks, request)
        if locked and current not in locks:
            raise _locked_error(locks, request)
        if current:
            warn_of_unused_settings(current.source, request, log)
        found[number] = LockedRelease(settings, request, current, previous_lock(locks, request, alone=alone))
    missing = [number for number, release in found.items() if release.lock is None]
    for number in missing:
        resolve = functools.partial(resolve_again, found[number].request, locks, log)
        found[number] = with_lock(found[number], resolve, alone=alone)
    resolved = any(found[number].lock for number in missing)
    written = merge_locks(releases, {n: r.lock for n, r in found.items()}, locks) if resolved else _reduce(found, locks)
    if written != list(locks) and not dry_run:
        lockfile.write_all(written, path)
    changed = resolved or written != list(locks)
    remark = f"{lockfile.NAME} {'not ' * dry_run}written" if changed else lockfile.NAME
    announce([release.lock for release in found.values() if release.lock], remark, log)
    return _with_notes(found)


def _with_notes(found: Mapping[int, LockedRelease]) -> list[LockedRelease]:
    """Return the releases; those of one version are distinguished by their revision, or else by their row."""
    revisions = Counter((release.title, release.settings.revision) for release in found.values())
    titles = Counter(release.title for release in found.values())

    def note(number: int, release: LockedRelease) -> str:
        if titles[release.title] == 1:
            return ""
        revision = release.settings.revision
        return f" (revision {revision})" if revisions[release.title, revision] == 1 else f" (release {number + 1})"

    return [dataclasses.replace(release, note=note(number, release)) for number, release in found.items()]


def _reduce(found: Mapping[int, LockedRelease], locks: Sequence[Lock]) -> list[Lock]:
    """Return the locks without what the releases that use them do not need any more."""
    used = {locks.index(r.previous): r.lock for r in found.values() if r.lock and r.previous}
    return [used.get(number, lock) for number, lock in enumerate(locks)]


def matching_lock(locks: Sequence[Lock], request: Request) -> Lock | None:
    """Return the lock that can be used for a request, without components that it does not need."""
    usable = (comparison.restrict(lock, request) for lock in locks)
    return next((lock for lock in usable if comparison.satisfies(lock, request)), None)


def previous_lock(locks: Sequence[Lock], request: Request, *, alone: bool) -> Lock | None:
    """Return the lock that a request had: one that can be used, else of the same version or minor.

    If the request and the lock are `alone`, it had that one.
    """
    for lock in locks:
        if matching_lock([lock], request):
            return lock
    suffix = request.variant.suffix

    def closeness(lock: Lock) -> tuple[bool, bool, bool]:
        version = lock.component("kubernetes").version
        is_same = lock.request.kubernetes == request.kubernetes
        return (
            is_same,
            request.kubernetes in (version.series, str(version.release)),
            lock.request.variant.suffix == suffix,
        )

    closest = max(locks, key=closeness, default=None)
    return closest if closest and ((alone and len(locks) == 1) or any(closeness(closest)[:2])) else None


def with_lock(release: LockedRelease, resolve: Callable[[], Lock], *, alone: bool) -> LockedRelease:
    """Return a release with its resolved lock, or with the error, which is raised if the release is `alone`."""
    try:
        return dataclasses.replace(release, lock=resolve())
    except KubeparcelError as error:
        if alone:
            raise
        return dataclasses.replace(release, error=error)


def merge_locks(releases: Releases, found: Mapping[int, Lock | None], locks: Sequence[Lock]) -> list[Lock]:
    """Return the locks to write: in the order of the releases, of those that were not selected the previous ones."""
    merged = []
    for number, settings in enumerate(releases.settings):
        lock = found[number] if number in found else matching_lock(locks, request_of(settings))
        if lock and lock not in merged:
            merged.append(lock)
    return merged


def announce(locks: Sequence[Lock], remark: str, log: Log) -> None:
    """Log the versions of locks, and how their files were verified."""
    for lock in locks:
        log.info("Release", describe_lock(lock, remark))
    for inputs in dict.fromkeys(map(describe_inputs, locks)):
        log.info("Inputs", inputs)


def _locked_error(locks: Sequence[Lock], request: Request) -> ConfigurationError:
    requested = f"requested Kubernetes {request.kubernetes} for {', '.join(request.arches)}"
    hint = "Run inv resolve with the same options, review the change, and commit it."
    if not locks:
        problem = f"{lockfile.NAME} is missing ({requested}), and --locked prevents creating it."
        return ConfigurationError(problem, hint)
    versions = ", ".join(str(lock.component("kubernetes").version) for lock in locks)
    closest = previous_lock(locks, request, alone=True)
    details = "; ".join(comparison.mismatches(closest, request)) if closest else f"locked {versions}, {requested}"
    problem = f"{lockfile.NAME} does not match this request ({details}), and --locked prevents updating it."
    return ConfigurationError(problem, hint)
