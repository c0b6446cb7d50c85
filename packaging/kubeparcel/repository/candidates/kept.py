"""What is published stays: new builds of a published version that differ only incidentally are left out."""

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
from kubeparcel.repository.storage.base import Storage


def keep_published(
    candidates: Candidates, state: State, storage: Storage, workspace: Path, log: Log, *, strict: bool
) -> Candidates:
    """Return the candidates with the published packages instead of new builds of the same versions.

    A release brings cri-tools and kubernetes-cni that earlier ones brought too, compiled by another
    Go or at another time. Raises PolicyViolation for a package that was meant to change, since it
    needs a higher revision, and with `strict` for any other content.
    """
    changed = dict(changed_content(candidates.sources, state))
    paths = {package: path for path, package in _stored_paths(state)} if changed else {}
    kept: dict[Package, Package] = {}
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
        if differences.intended or (differences.recompiled and package.name in kubernetes_packages().core):
            raise changed_content_error(package, published, f"; differs in {differences}")
        log.warn(f"Kept the published {package.label}; the new one differs in {differences}.")
        kept[package] = published
    rest = candidates.without(kept.keys())
    return replace(rest, packages=rest.packages.union(kept.values()))


def _stored_paths(state: State) -> Iterator[tuple[str, Package]]:
    yield from ((path, package) for path, (_, package) in state.retired_packages.items())
    yield from state.packages_by_path.items()
