"""What is published stays: new builds of a published version are left out, or refused if they meant to change it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kubeparcel.config.kubernetes_packages import kubernetes_packages
from kubeparcel.console import Log
from kubeparcel.packages import reader
from kubeparcel.packages.differences import Differences, compare_packages
from kubeparcel.packages.errors import BrokenPackage
from kubeparcel.repository.candidates.match import Candidates
from kubeparcel.repository.model import State
from kubeparcel.repository.policy import ContentChange, reject_changed_content
from kubeparcel.repository.storage.base import Storage


def keep_published(
    changes: Sequence[ContentChange],
    candidates: Candidates,
    state: State,
    storage: Storage,
    workspace: Path,
    log: Log,
    *,
    strict: bool,
) -> tuple[Candidates, tuple[ContentChange, ...]]:
    """Return the candidates with the published packages instead of new builds of them, and the builds left out.

    `changes` are the candidates whose version is published with other content.
    A release brings cri-tools and kubernetes-cni that earlier ones brought too, compiled by another
    Go, at another time or with other settings. Raises PolicyViolation for a package that was meant to
    change, since it needs a higher revision, and with `strict` for any other content.
    """
    if strict:
        reject_changed_content(changes)
    core = kubernetes_packages().core
    brings_release = any(p.name in core for p in candidates.sources.keys() - {change.package for change in changes})
    kept: list[ContentChange] = []
    rejected: list[ContentChange] = []
    warnings: list[str] = []
    for change, differences in _compare(changes, candidates, state, storage, workspace):
        is_core = change.package.name in core
        if differences is None or _is_meant(differences, is_core=is_core, brings_release=brings_release):
            rejected.append(change._replace(differences=str(differences or "")))
            continue
        kept.append(change._replace(differences=str(differences)))
        hint = " To publish it, raise --revision." if differences.intended else ""
        warnings.append(f"Kept the published {change.package.label}; the new one differs in {differences}.{hint}")
    reject_changed_content(rejected)
    for warning in warnings:
        log.warn(warning)
    rest = candidates.without({change.package for change in kept})
    packages = rest.packages.union(change.published for change in kept)
    return replace(rest, packages=packages), tuple(kept)


def _is_meant(differences: Differences, *, is_core: bool, brings_release: bool) -> bool:
    """Return whether somebody wanted to change the package, rather than to publish a release that brings it."""
    if is_core:
        return bool(differences.intended or differences.recompiled)
    return bool(differences.intended) and not brings_release


def _compare(
    changes: Iterable[ContentChange], candidates: Candidates, state: State, storage: Storage, workspace: Path
) -> Iterator[tuple[ContentChange, Differences | None]]:
    """Yield the differences of each new build; None if the published file is damaged."""
    paths = {package: path for path, package in state.stored_by_path.items()}
    published = workspace / "published"
    for change in changes:
        published.write_bytes(storage.read(paths[change.published]) or b"")
        try:
            old, new = reader.read_packages([published, Path(candidates.sources[change.package].path)])
        except BrokenPackage:
            yield change, None
        else:
            yield change, compare_packages(old, new)
