"""The tasks that change a repository: publish, remove, retain, rollback, copy."""

from __future__ import annotations

import dataclasses
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import UsageError
from kubeparcel.repository import package_cache, policy, recovery, state_file
from kubeparcel.repository import suites as change
from kubeparcel.repository.candidates import changes as source
from kubeparcel.repository.candidates import match
from kubeparcel.repository.candidates.scan import listing as listed
from kubeparcel.repository.candidates.scan import require_folder
from kubeparcel.repository.model import Package, RepositoryOptions, State, Suites, compare_suites
from kubeparcel.repository.package_cache import LastPublish, PackageCache
from kubeparcel.repository.prepare import TargetState
from kubeparcel.repository.result import ChangeResult
from kubeparcel.repository.signing.signer import Signer, open_signer
from kubeparcel.repository.storage import base
from kubeparcel.repository.storage.base import Storage
from kubeparcel.repository.transaction import commit

WAIT = 30.0
"""How long another publisher is waited for, in seconds."""

_TURN = 0.0005
"""How long a thread may work while others wait, in seconds."""


@dataclass(frozen=True)
class Target:
    """Which repository is changed, and how.

    `to` is a folder or `s3://BUCKET/PREFIX`, `key` a key's name or file. `terms` are those the
    user named: the others stay as they are in the repository.
    """

    location: str
    key: str = ""
    dry_run: bool = False
    wait: float = WAIT
    options: Mapping[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class ChangePlan:
    """What a task wants: the suites as they shall be, and where new files come from.

    `done` is called with the generation that has it, so that a later publish begins from there.
    """

    suites: Suites
    sources: Mapping[Package, str] = field(default_factory=dict)
    done: Callable[[int], None] = lambda _: None


Decide = Callable[[State, Signer | None], ChangePlan]


def publish(
    folder: Path,
    target: Target,
    log: Log,
    *,
    suite: str = "",
    skip_layout_check: bool = False,
    listing: Callable[[], str] | None = None,
) -> ChangeResult:
    """Add the packages of a folder: to `suite`, or each where it belongs.

    `unchecked` leaves the layout check out. `listing` gives what `folder.listing` says of the
    folder, where someone looks already. Raises Refusal for what may not be published.
    """
    require_folder(folder)
    with _busy(), package_cache.open_cache() as known, match.scratch() as area:

        def decide(state: State, who: Signer | None) -> ChangePlan:
            rows = listing() if listing else listed(folder)
            place = source.place(folder, suite, state)
            last = known.last_publish(place, state.generation)
            if last and last.files == rows:
                return ChangePlan(state.suites)
            found, homes = match.since(rows, last, state, known)
            policy.reject_changed_content(found.sources, state)
            if not skip_layout_check:
                match.check_layout(found, known, log)
            if state.options.sign_rpms:
                found = match.signed(found, who, area, known, log)
            suites = change.add(state.suites, found.packages, suite, homes)
            return ChangePlan(
                suites,
                found.sources,
                lambda generation: known.store_last_publish(
                    place, LastPublish(generation, homes, rows)
                ),
            )

        return _change(target, log, known, decide)


def remove(selectors: Sequence[str], target: Target, log: Log, *, suite: str = "") -> ChangeResult:
    """Take packages out of a suite, or of all: words like `kubelet=1.36.3-1`."""
    if not selectors:
        raise UsageError("Say what to remove: NAME, NAME=VERSION or =VERSION.")
    where = base.open_storage(target.location)

    def decide(state: State) -> Suites:
        try:
            return change.remove(state.suites, selectors, suite)
        except UsageError:
            if not state_file.read_names(where, state_file.PENDING):
                raise
            return state.suites  # a removal that was killed, run again: what it began is finished

    return _simple(target, log, decide)


def retain(keep: int, target: Target, log: Log, *, suite: str = "") -> ChangeResult:
    """Keep only the newest versions of each package in each minor."""
    return _simple(target, log, lambda state: change.retain(state.suites, keep, suite))


def copy(
    origin: str, suite: str, target: Target, log: Log, *, selectors: Sequence[str] = ()
) -> ChangeResult:
    """Add packages of one suite to another, as they are: all, or those meant by words."""
    if not origin or not suite:
        raise UsageError("inv copy needs two suites: --suite FROM --into TO.")
    return _simple(target, log, lambda state: change.copy(state.suites, origin, suite, selectors))


def rollback(target: Target, log: Log, *, generation: int = 0) -> ChangeResult:
    """Publish again what an earlier generation held: the last one, or the one of that number."""
    where = base.open_storage(target.location)

    def decide(state: State) -> Suites:
        kept = [n for n in state_file.stored_generations(where) if n < state.generation]
        number = generation or max(kept, default=0)
        data = where.read(state_file.history_path(number)) if number in kept else None
        if data is None:
            there = ", ".join(map(str, kept)) or "none"
            raise UsageError(
                f"There is no generation {number or 'before this one'} to go back to.",
                f"Kept are: {there}.",
            )
        return state_file.parse(data, where.location).suites

    return _simple(target, log, decide)


def _simple(target: Target, log: Log, decide: Callable[[State], Suites]) -> ChangeResult:
    with _busy(), package_cache.open_cache() as known:
        return _change(target, log, known, lambda state, _: ChangePlan(decide(state)))


def _change(target: Target, log: Log, known: PackageCache, decide: Decide) -> ChangeResult:
    started = time.monotonic()
    where = base.open_storage(target.location)
    with nullcontext() if target.dry_run else where.lease(target.wait), _signer(target, log) as who:
        before = recovery.load_state(where, known, log)
        state = dataclasses.replace(
            before,
            options=_terms(before.options, target.options, where),
            identity=before.identity or os.urandom(16).hex(),
            persisted=False,
        )
        decided = decide(state, who)
        wanted = dataclasses.replace(state, suites=decided.suites)
        changes = compare_suites(before.suites, wanted.suites)
        policy.require_resolvable(wanted.suites, changes)
        again = who is not None and _resign(where, before, wanted, who)
        if who is not None and (changes or again):
            step = TargetState(wanted, decided.sources, again)
            wanted = commit(where, before, step, who, known, int(time.time()))
        if who is not None:
            decided.done(wanted.generation)
    seconds = time.monotonic() - started
    return ChangeResult(where.location, changes, wanted, again, target.dry_run, seconds)


@contextmanager
def _busy() -> Iterator[None]:
    """Without the search for cycles, which takes a third of the time among so many small values.

    And with threads that need not wait for their turn so long: what signs waits for what packs.
    """
    collected, turn = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        if collected:
            gc.enable()


@contextmanager
def _signer(target: Target, log: Log) -> Iterator[Signer | None]:
    """Who signs; a dry run needs no key."""
    if target.dry_run:
        yield None
        return
    with open_signer(target.key, log) as who:
        yield who


def _terms(
    old: RepositoryOptions, named: Mapping[str, str | int | bool], where: Storage
) -> RepositoryOptions:
    terms = dataclasses.replace(old, **named)  # type: ignore[arg-type]
    if not terms.base_url:
        terms = dataclasses.replace(terms, base_url=where.base_url)
    return terms


def _resign(where: Storage, before: State, wanted: State, who: Signer) -> bool:
    """Whether the indexes have to be made and signed anew although no package changed."""
    return bool(before.suites) and (
        before.options != wanted.options
        or before.signing_keys != who.key_expiry_tags
        or 0 < before.renew_at <= time.time()
        or bool(state_file.read_names(where, state_file.PENDING))
    )
