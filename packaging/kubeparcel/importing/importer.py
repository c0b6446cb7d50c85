"""Import packages: verify the source, compare, fetch what is new, sign and publish it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubeparcel.console import Log
from kubeparcel.errors import CheckFailed, ExternalError
from kubeparcel.importing.fetch import fetch_packages, package_files
from kubeparcel.importing.plan import Plan, compare
from kubeparcel.importing.result import ImportResult
from kubeparcel.importing.selection import Selected, select
from kubeparcel.importing.source import Source, SourceChanged, SourceQuery, open_source
from kubeparcel.repository import policy, suites
from kubeparcel.repository.candidates import match
from kubeparcel.repository.candidates.side_files import sign_statements
from kubeparcel.repository.candidates.sign import sign_rpms
from kubeparcel.repository.model import compare_suites, validate_suite_name
from kubeparcel.repository.open_repository import OpenRepository, Target, open_repository
from kubeparcel.repository.package import Package
from kubeparcel.repository.package_cache import ParsedFile
from kubeparcel.repository.result import ChangeResult
from kubeparcel.sanitize import redact_url
from kubeparcel.trust.package_statement import ImportedFile, describe_import
from kubeparcel.trust.statement import Statement
from kubeparcel.user_cache import open_store

PAUSES = (1.0, 4.0)
"""Seconds before the indexes of a repository that changes are read again."""


@dataclass(frozen=True)
class ImportRequest:
    """What to import, and into which suite: by default the home suites of each package.

    `only` are patterns NAME, NAME=VERSION or =VERSION; none means all packages.
    """

    source: SourceQuery
    only: Sequence[str] = ()
    suite: str = ""


def import_packages(request: ImportRequest, target: Target, log: Log) -> ImportResult:
    """Import the packages that our repository lacks, and those that they need.

    A source that changes meanwhile is read again. Raises CheckFailed if its clients would reject it or a package,
    PolicyViolation if packages cannot be published, and ExternalError if files cannot be read; nothing is changed then.
    """
    if request.suite:
        validate_suite_name(request.suite)
    if request.source.insecure:
        log.warn(
            f"Signatures of {redact_url(request.source.location)} are not verified (--insecure): whoever can change "
            "its files, or answer in its name, decides what is published here."
        )
    return _import_consistent(request, target, log, PAUSES)


def _import_consistent(request: ImportRequest, target: Target, log: Log, pauses: Sequence[float]) -> ImportResult:
    try:
        return _import(request, target, log)
    except SourceChanged as error:
        if not pauses:
            problem = f"The repository is being published, or damaged; it was read {len(PAUSES) + 1} times."
            hint = f"Run the same command again later. {error.hint}"
            raise CheckFailed(f"{error.message}\n{problem}", hint) from None
        log.info("Retry", f"{error.message}\nThe repository may be changing: reading it again in {pauses[0]:g} s.")
    time.sleep(pauses[0])
    return _import_consistent(request, target, log, pauses[1:])


def _import(request: ImportRequest, target: Target, log: Log) -> ImportResult:
    started = time.monotonic()
    with open_source(request.source, log) as source:
        store = open_store(log)
        selected = select(source.packages, request.only, source.location)
        with open_repository(target, log, create=True) as repository:
            plan = compare(selected.packages, source, repository.state, repository.cache, store, request.suite)
            if target.dry_run or not plan.new:
                change = _preview(plan, repository) if target.dry_run else repository.apply(plan.suites)
                return _result(source, selected, plan, change, started)
        # Others may publish during the download.
        fetched = fetch_packages(source, plan.new, store, log)
        with open_repository(target, log, create=True) as repository:
            change = _publish(plan, fetched, source, repository, request.suite, log)
        return _result(source, selected, plan, change, started)


def _result(source: Source, selected: Selected, plan: Plan, change: ChangeResult, started: float) -> ImportResult:
    origins = dict.fromkeys(source.origins[package] for package in sorted(selected.packages))
    change = dataclasses.replace(change, seconds=time.monotonic() - started)
    return ImportResult(source.location, tuple(origins), selected, plan.new, source.problems, change)


def _preview(plan: Plan, repository: OpenRepository) -> ChangeResult:
    """Return what publishing would change, except what the repository requires of packages: that is in their files."""
    state = dataclasses.replace(repository.state, suites=plan.suites)
    changes = compare_suites(repository.published, state)
    return ChangeResult(repository.storage.location, changes, state, signatures_renewed=False, dry_run=True, seconds=0)


def _publish(
    plan: Plan, fetched: Mapping[Package, ParsedFile], source: Source, repository: OpenRepository, suite: str, log: Log
) -> ChangeResult:
    state, cache = repository.state, repository.cache
    if not plan.present <= {*state.stored_packages}:
        raise ExternalError(
            f"{repository.storage.location} was changed while packages were fetched.",
            "Run the same command again: fetched packages were kept.",
        )
    cache.store_packages(package.parsed for package in fetched.values())
    candidates = match.match_metadata(package_files(fetched.values()), state)
    policy.reject_changed_content(tuple(policy.changed_content(candidates.sources, state)))
    originals = {package.parsed.package.sha256: original for original, package in fetched.items()}
    with open_store(log).scratch(elsewhere=True) as workspace:
        if state.options.sign_rpms and repository.signer:
            candidates = sign_rpms(candidates, repository.signer, workspace, cache, log)
        statements = {
            package.sha256: _statement(package, originals[file.sha256], source, file.sha256)
            for package, file in candidates.files.items()
        }
        side_files = sign_statements(statements, state, repository.signer, workspace, log)
        after = suites.add(state.suites, candidates.packages | plan.present, suite)
        return repository.apply(after, candidates.sources, side_files)


def _statement(package: Package, original: Package, source: Source, sha256: str = "") -> Statement:
    """Return the statement about a published package, the original of which has this SHA-256."""
    origin, path = source.origins[original], source.checks[original].path
    verifier = source.keys.verifier
    signers = origin.signers or (tuple(sorted(verifier.signers)) if verifier and not source.insecure else ())
    file = ImportedFile(
        url=redact_url(path) if "://" in path else f"{source.url}/{path}",
        sha256=sha256 or original.sha256,
        signers=signers,
        repository=source.url,
        suite=origin.name,
        index=origin.path,
        index_sha256=origin.sha256,
        index_signers=origin.signers,
    )
    return describe_import(file, package.path.rpartition("/")[2], package.sha256, int(time.time()))
