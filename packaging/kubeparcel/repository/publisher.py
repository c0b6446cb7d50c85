"""Change a repository: publish, remove, retain, rollback and copy.

What only a change needs is imported where something changed: it is an eighth of an unchanged publish.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel.console import Log
from kubeparcel.errors import UsageError
from kubeparcel.repository import policy, state_file, suites
from kubeparcel.repository.candidates.scan import ScannedFolder, scan_folder
from kubeparcel.repository.open_repository import OpenRepository, Target, open_repository
from kubeparcel.repository.package_cache import LastPublish
from kubeparcel.repository.result import ChangeResult

if TYPE_CHECKING:
    from kubeparcel.repository.candidates.match import Candidates
    from kubeparcel.repository.candidates.side_files import SideFiles
    from kubeparcel.repository.model import Suites


def publish(
    folder: Path,
    target: Target,
    log: Log,
    *,
    suite: str = "",
    strict: bool = False,
    all_revisions: bool = False,
    skip_layout_check: bool = False,
    retained: int = 0,
) -> ChangeResult:
    """Add the packages in a folder to `suite`, or each to its home suites.

    Of several revisions of a version in the folder, the newest is published, or with
    `all_revisions` all. With `strict`, a version that is already published must have the same
    content. With `retained`, only so many versions of each package in each minor stay in the suites
    that are published to. Raises PolicyViolation and BrokenPackage for packages that cannot be published.
    """
    scanned = scan_folder(folder)
    with open_repository(target, log, create=True) as repository:
        state, cache = repository.state, repository.cache
        source = f"{folder}\n{suite}\n{state.identity}\n{strict} {all_revisions}"
        promised = state.options.required != repository.published.options.required
        last = None if promised else cache.last_publish(source, state.digest)
        if last and (last.files, last.side_files) == scanned:
            return repository.apply(_retain(state.suites, retained, suite))
        from kubeparcel.repository.candidates import match
        from kubeparcel.user_cache import open_store

        candidates, home_suites = match.match_files(scanned, last, state, cache)
        last = None  # as large as the list of files
        if not all_revisions:
            candidates = match.drop_superseded(candidates, state, log)
        with open_store(log).scratch(elsewhere=True) as workspace:  # signed copies may be large
            candidates, kept = _keep_published(candidates, repository, workspace, log, strict=strict)
            if not skip_layout_check:
                match.check_layout(candidates, cache, log)
            if state.options.sign_rpms and repository.signer:
                from kubeparcel.repository.candidates.sign import sign_rpms

                candidates = sign_rpms(candidates, repository.signer, workspace, cache, log)
            side_files = _side_files(scanned, candidates, repository, workspace, log)
            target_suites = suites.add(state.suites, candidates.packages, suite, home_suites)
            result = repository.apply(_retain(target_suites, retained, suite), candidates.sources, side_files)
        if not target.dry_run:
            cache.store_last_publish(source, LastPublish(result.state.digest, home_suites, *scanned.reliable))
        return dataclasses.replace(result, kept=kept)


def _retain(published: Suites, retained: int, suite: str) -> Suites:
    return suites.retain(published, retained, suite) if retained else published


def _keep_published(
    candidates: Candidates, repository: OpenRepository, workspace: Path, log: Log, *, strict: bool
) -> tuple[Candidates, tuple[policy.ContentChange, ...]]:
    changes = tuple(policy.changed_content(candidates.sources, repository.state))
    if not changes:
        return candidates, ()
    from kubeparcel.repository.candidates.kept import keep_published

    return keep_published(changes, candidates, repository.state, repository.storage, workspace, log, strict=strict)


def _side_files(
    scanned: ScannedFolder, candidates: Candidates, repository: OpenRepository, workspace: Path, log: Log
) -> SideFiles | None:
    if not scanned.side_files:
        return None
    from kubeparcel.repository.candidates.side_files import read_side_files

    return read_side_files(scanned, candidates, repository.state, repository.signer, workspace, log)


def remove(selectors: Sequence[str], target: Target, log: Log, *, suite: str = "") -> ChangeResult:
    """Remove packages from a suite, or from all; `suites.select_packages` describes selectors."""
    if not selectors:
        raise UsageError("No package given.", f"Pass {suites.SELECTOR_SYNTAX}.")
    with open_repository(target, log) as repository:
        try:
            remaining = suites.remove(repository.state.suites, selectors, suite)
        except UsageError:
            if not state_file.read_names(repository.storage, state_file.PENDING):
                raise
            # The packages are already gone from the state: finish an interrupted removal.
            remaining = repository.state.suites
        return repository.apply(remaining)


def retain(keep: int, target: Target, log: Log, *, suite: str = "") -> ChangeResult:
    """Keep only the newest `keep` versions of each package in each minor version."""
    with open_repository(target, log) as repository:
        return repository.apply(suites.retain(repository.state.suites, keep, suite))


def copy(origin: str, suite: str, target: Target, log: Log, *, selectors: Sequence[str] = ()) -> ChangeResult:
    """Add packages of the suite `origin` to another suite: all, or the selected ones."""
    if not origin or not suite:
        raise UsageError("inv copy needs two suites.", "Pass --suite FROM and --into TO.")
    with open_repository(target, log) as repository:
        return repository.apply(suites.copy(repository.state.suites, origin, suite, selectors))


def rollback(target: Target, log: Log, *, generation: int = 0) -> ChangeResult:
    """Publish the packages of an earlier generation again; by default of the previous one."""
    with open_repository(target, log) as repository:
        storage = repository.storage
        generations = state_file.stored_generations(storage)
        earlier = [number for number in generations if number < repository.state.generation]
        number = generation or max(earlier, default=0)
        data = storage.read(state_file.history_path(number)) if number in earlier else None
        if data is None:
            raise UsageError(
                f"Unknown generation {number}." if number else "No earlier generation.",
                f"Available generations: {', '.join(map(str, earlier)) or 'none'}.",
            )
        return repository.apply(state_file.parse(data, storage.location).suites)
