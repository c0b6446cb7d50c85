"""What is published stays: new builds of a published version are left out, or refused if they meant to change it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kubeparcel.config.kubernetes_packages import kubernetes_packages
from kubeparcel.console import Log
from kubeparcel.packages import reader
from kubeparcel.packages.differences import compare_packages
from kubeparcel.packages.errors import BrokenPackage
from kubeparcel.repository.candidates.match import Candidates
from kubeparcel.repository.model import Package, State
from kubeparcel.repository.policy import changed_content, changed_content_error
from kubeparcel.repository.result import KeptPackage
from kubeparcel.repository.storage.base import Storage


def keep_published(
    candidates: Candidates, state: State, storage: Storage, workspace: Path, log: Log, *, strict: bool
) -> tuple[Candidates, tuple[KeptPackage, ...]]:
    """Return the candidates with the published packages instead of new builds of the same versions, and those kept.

    A release brings cri-tools and kubernetes-cni that earlier ones brought too, compiled by another
    Go, at another time or with other settings. Raises PolicyViolation for a package that was meant to
    change, since it needs a higher revision, and with `strict` for any other content.
    """
    changed = dict(changed_content(candidates.sources, state))
    if not changed:
        return candidates, ()
    paths = {package: path for path, package in _stored_paths(state)}
    core = kubernetes_packages().core
    brings_release = any(package.name in core for package in candidates.sources.keys() - changed.keys())
    kept: dict[Package, KeptPackage] = {}
    for package, published in changed.items():
        if strict:
            raise changed_content_error(package, published)
        copy = workspace / "published"
        copy.write_bytes(storage.read(paths[published]) or b"")
        try:
            differences = compare_packages(
                reader.read_package(copy), reader.read_package(Path(candidates.sources[package]))
            )
        except BrokenPackage:
            raise changed_content_error(package, published) from None
        is_core = package.name in core
        meant = bool(differences.intended) and (is_core or not brings_release)
        if meant or (differences.recompiled and is_core):
            raise changed_content_error(package, published, f"; differs in {differences}")
        hint = " To publish it, raise --revision." if differences.intended else ""
        log.warn(f"Kept the published {package.label}; the new one differs in {differences}.{hint}")
        kept[package] = KeptPackage(published, str(differences))
    rest = candidates.without(kept.keys())
    packages = rest.packages.union(kept_package.package for kept_package in kept.values())
    return replace(rest, packages=packages), tuple(kept.values())


def _stored_paths(state: State) -> Iterator[tuple[str, Package]]:
    yield from ((path, package) for path, (_, package) in state.retired_packages.items())
    yield from state.packages_by_path.items()
