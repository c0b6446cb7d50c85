"""Change a repository: publish, remove, retain, rollback and copy.

What only a change needs is imported where something changed: it is an eighth of an unchanged publish.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import UsageError
from kubeparcel.files import translate_os_errors
from kubeparcel.paths import cache_dir
from kubeparcel.repository import policy, state_file, suites
from kubeparcel.repository.candidates.scan import scan_packages
from kubeparcel.repository.open_repository import Target, open_repository
from kubeparcel.repository.package_cache import LastPublish
from kubeparcel.repository.result import ChangeResult, KeptPackage


def publish(
    folder: Path,
    target: Target,
    log: Log,
    *,
    suite: str = "",
    strict: bool = False,
    all_revisions: bool = False,
    skip_layout_check: bool = False,
) -> ChangeResult:
    """Add the packages in a folder to `suite`, or each to its home suites.

    Of several revisions of a version in the folder, the newest is published, or with
    `all_revisions` all. With `strict`, a version that is already published must have the same
    content. Raises PolicyViolation and BrokenPackage for packages that cannot be published.
    """
    files = scan_packages(folder)
    with open_repository(target, log, create=True) as repository, _workspace() as workspace:
        state, cache = repository.state, repository.cache
        source = f"{folder}\n{suite}\n{state.identity}\n{strict} {all_revisions}"
        last = cache.last_publish(source, state.digest)
        if last and last.files == files:
            return repository.apply(state.suites)
        from kubeparcel.repository.candidates import match
        from kubeparcel.repository.candidates.sign import sign_rpms

        candidates, home_suites = match.match_files(files, last, state, cache)
        if not all_revisions:
            candidates = match.drop_superseded(candidates, state, log)
        kept: tuple[KeptPackage, ...] = ()
        if any(policy.changed_content(candidates.sources, state)):
            from kubeparcel.repository.candidates.kept import keep_published

            candidates, kept = keep_published(candidates, state, repository.storage, workspace, log, strict=strict)
        if not skip_layout_check:
            match.check_layout(candidates, cache, log)
        if state.options.sign_rpms and repository.signer:
            candidates = sign_rpms(candidates, repository.signer, workspace, cache, log)
        result = repository.apply(suites.add(state.suites, candidates.packages, suite, home_suites), candidates.sources)
        if not target.dry_run:
            published = LastPublish(result.state.digest, home_suites, tuple(file for file in files if file.is_reliable))
            cache.store_last_publish(source, published)
        return dataclasses.replace(result, kept=kept)


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


@contextmanager
def _workspace() -> Iterator[Path]:
    """A temporary folder for signed copies, in the cache folder: they may be large."""
    with translate_os_errors(cache_dir()):
        cache_dir().mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="publish-", dir=cache_dir()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
