"""Open a repository for a change: lock it, load its state and its signing key."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kubeparcel.console import Log
from kubeparcel.garbage import fewer_collections
from kubeparcel.repository import location, policy, state_file
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.model import RepositoryOptions, State, SuiteChange, Suites, compare_suites
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import PackageCache, open_cache
from kubeparcel.repository.result import ChangeResult
from kubeparcel.repository.signing.signer import Signer, open_signer
from kubeparcel.repository.storage import factory
from kubeparcel.repository.storage.base import Storage

if TYPE_CHECKING:
    from kubeparcel.repository.candidates.side_files import SideFiles

WAIT = 30.0
"""The default time to wait for another publisher, in seconds."""


@dataclass(frozen=True)
class Target:
    """The repository to change, and how.

    `location` is a folder or `s3://BUCKET/PREFIX`, `key` the name or file of a signing key, `wait`
    the seconds to wait for another publisher. `options` are changes to the RepositoryOptions.
    `confirm` is called with a question before most of a repository is removed; it raises to refuse.
    `moment` (Unix time) is the time of indexes and signatures, for the same bytes each time; 0 is the current time.
    """

    location: str
    key: str = ""
    dry_run: bool = False
    wait: float = WAIT
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    confirm: Callable[[str], None] = lambda _: None
    moment: int = 0


@dataclass(frozen=True)
class OpenRepository:
    """A repository that is locked for a change.

    `published` is its current state, `state` the same with the options of this task. Without a
    `signer` it is a dry run.
    """

    storage: Storage
    published: State
    state: State
    signer: Signer | None
    cache: PackageCache
    started: float
    confirm: Callable[[str], None]
    log: Log

    def apply(
        self,
        target_suites: Suites,
        sources: Mapping[Package, FileStamp] | None = None,
        side_files: SideFiles | None = None,
    ) -> ChangeResult:
        """Publish these suites; `sources` are the files of new packages, `side_files` those about packages.

        Raises PolicyViolation if packages could not be installed, or lack what the repository promises.
        """
        target = dataclasses.replace(self.state, suites=target_suites)
        if side_files:
            target = dataclasses.replace(target, side_files=side_files.merged(target.side_files))
        changes = compare_suites(self.published, target)
        policy.require_resolvable(target_suites, changes)
        if target.options.required and (changes or target.options != self.published.options):
            from kubeparcel.repository.candidates.side_files import SideFiles
            from kubeparcel.repository.requirements import Evidence, require

            require(Evidence(target, self.published, self.storage, sources or {}, side_files or SideFiles()))
        self._confirm_removal(changes)
        renew = self.signer is not None and self._signatures_outdated(self.signer)
        described = target.side_files != self.published.side_files
        if self.signer is not None and (changes or renew or described):
            from kubeparcel.repository.prepare import TargetState
            from kubeparcel.repository.transaction import commit

            target = commit(
                self.storage,
                self.published,
                TargetState(target, sources or {}, side_files.sources if side_files else {}, renew),
                self.signer,
                self.cache,
                self.signer.moment or int(time.time()),
                self.log,
            )
        return ChangeResult(
            self.storage.location,
            changes,
            target,
            renew,
            described=described,
            dry_run=self.signer is None,
            seconds=time.monotonic() - self.started,
        )

    def _confirm_removal(self, changes: Sequence[SuiteChange]) -> None:
        """Ask before more than half of the entries of all suites are removed."""
        removed = sum(len(change.removed) for change in changes)
        total = sum(map(len, self.published.suites.values()))
        if self.signer is not None and 2 * removed > total:
            self.confirm(f"Remove {removed:,} of {total:,} packages in the suites of {self.storage.location}?")

    def _signatures_outdated(self, signer: Signer) -> bool:
        """Whether all indexes must be signed again, even if no package changed."""
        return bool(self.published.suites) and (
            self.published.options != self.state.options
            or self.published.signing_keys != signer.key_expiry_tags
            or 0 < self.published.renew_at <= time.time()
            or bool(state_file.read_names(self.storage, state_file.PENDING))
        )


@contextmanager
def open_repository(target: Target, log: Log, *, create: bool = False) -> Iterator[OpenRepository]:
    """Lock the repository and load its state; a dry run needs neither a lock nor a key.

    Raises UsageError if there is none, unless it may be created here.
    """
    started = time.monotonic()
    storage = factory.open_storage(target.location)
    (location.require_free_location if create else location.require_repository)(storage)
    with ExitStack() as stack:
        stack.enter_context(fewer_collections())
        cache = stack.enter_context(open_cache())
        if not target.dry_run:
            stack.enter_context(storage.lease(target.wait))
        published = _load_state(storage, cache, log)
        signer = None
        if not target.dry_run:
            signer = stack.enter_context(open_signer(target.key, log, _signed_by(published)))
            signer = signer.at(target.moment) if target.moment else signer
        state = published.with_records(
            options=_updated_options(published.options, target.options, storage),
            identity=published.identity or os.urandom(16).hex(),
        )
        _warn_of_identity_change(published, state.options, log)
        yield OpenRepository(storage, published, state, signer, cache, started, target.confirm, log)


def _signed_by(published: State) -> Sequence[str] | None:
    """Return the fingerprints that signed a repository last; None for a new one, empty if they are unknown."""
    fingerprints = [tag.partition(":")[0] for tag in published.signing_keys]
    return fingerprints if fingerprints or published.suites else None


def _load_state(storage: Storage, cache: PackageCache, log: Log) -> State:
    """Return the state of a repository, if necessary recovered; an empty one if it does not exist yet."""
    damage = ""
    try:
        if state := state_file.load(storage):
            return state
    except state_file.StateFileError as error:
        damage = error.message
    from kubeparcel.repository.recovery import recover_state

    state = recover_state(storage, cache)
    if damage or state.suites:
        problem = damage or f"{storage.location} has no state file."
        log.warn(f"{problem} The state was recovered from the published indexes.")
    return state


def _warn_of_identity_change(published: State, options: RepositoryOptions, log: Log) -> None:
    """Warn of a new Origin or Label: apt reads the repository again only after its user has agreed."""
    before = published.options
    changes = [
        f"{name} from {old!r} to {new!r}"
        for name, old, new in (
            ("Origin", before.origin, options.origin),
            ("Label", before.label or before.origin, options.label or options.origin),
        )
        if old != new
    ]
    if published.suites and changes:
        log.warn(
            f"Changing {' and '.join(changes)}: apt-get update fails on every host until its administrator confirms it "
            "(apt-get update --allow-releaseinfo-change), and pins by the old name no longer match."
        )


def _updated_options(
    options: RepositoryOptions, changes: Mapping[str, str | int | bool], storage: Storage
) -> RepositoryOptions:
    options = dataclasses.replace(options, **changes)  # type: ignore[arg-type]
    if not options.base_url:
        options = dataclasses.replace(options, base_url=storage.base_url)
    return options
