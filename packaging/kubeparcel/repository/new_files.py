"""The files that a transaction adds: packages and their side files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kubeparcel.repository import state_file
from kubeparcel.repository.file_stamp import FileStamp
from kubeparcel.repository.model import State, Suites
from kubeparcel.repository.package import Package, SideFileKey
from kubeparcel.repository.prepare import TargetState
from kubeparcel.repository.storage.base import Storage


class NewFile(NamedTuple):
    """A package file to add at `path`: from a local `source`, or a copy of a published file."""

    path: str
    source: FileStamp | None
    copy_of: str


def new_files(published: State, target: TargetState) -> list[NewFile]:
    """Return the package files to add: each from its source, or from where it already is."""
    files = _new_side_files(published, target)
    missing = paths_not_in(published.suites, target.state)
    homes: dict[Package, str] = {}
    if reused := frozenset(published.stored_packages).intersection(missing.values()):
        stored = published.stored_by_path
        missing = {path: p for path, p in missing.items() if stored.get(path) != p}
        reused -= target.sources.keys()
        homes = {package: path for path, package in stored.items() if package in reused}
    for path, package in missing.items():
        home = homes.setdefault(package, path)
        source = target.sources[package] if home == path else None
        files.append(NewFile(path, source, "" if source else home))
    return files


def _new_side_files(published: State, target: TargetState) -> list[NewFile]:
    """Return the side files to add: those of new paths, and new ones of published packages."""
    state = target.state
    if not state.side_files:
        return []
    changed = {sha256 for sha256, files in state.side_files.items() if published.side_files.get(sha256) != files}
    stored = published.stored_by_path
    existing = {package.sha256: path for path, package in stored.items() if package.sha256 in state.side_files}
    added = []
    homes: dict[SideFileKey, str] = {}
    for path, package in sorted(state.packages_by_path.items()):
        if path in stored and package.sha256 not in changed:
            continue
        before = published.files_about(package)
        for suffix in state.files_about(package):
            if path in stored and suffix in before:
                continue
            home = f"{existing[package.sha256]}{suffix}" if suffix in before else ""
            home = home or homes.setdefault((package.sha256, suffix), f"{path}{suffix}")
            source = target.side_sources[package.sha256, suffix] if home == f"{path}{suffix}" else None
            added.append(NewFile(f"{path}{suffix}", source, "" if source else home))
    return added


def add_files(storage: Storage, files: Sequence[NewFile]) -> None:
    """Note which files are added, and add them."""
    if files:
        paths = state_file.dump_names(file.path for file in files)
        storage.write({state_file.ADDING: paths})
        storage.add([(file.path, file.source) for file in files if file.source])
        storage.copy([(file.copy_of, file.path) for file in files if file.copy_of])


def paths_not_in(others: Suites, state: State) -> dict[str, Package]:
    """Return the packages of a state that these suites do not have, by path, sorted."""
    paths: dict[str, Package] = {}
    for suite, packages in sorted(state.suites.items()):
        new = packages - others.get(suite, frozenset())
        paths |= {package.repository_path(suite): package for package in state.ordered(new)}
    return paths
