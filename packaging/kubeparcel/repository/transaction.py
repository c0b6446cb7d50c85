"""Commit a new state, so that clients see either the old or the new repository.

The order: add package files under new names while indexes are built and signed, write the state,
swap the index folders, then delete what no retained generation needs. The next publish completes
or cleans up an interrupted one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from kubeparcel.console import Log
from kubeparcel.model import Format
from kubeparcel.repository import client_files, directory_listing, generation_statement, state_file
from kubeparcel.repository.model import DAY, Indexes, IndexKey, State, index_folder
from kubeparcel.repository.new_files import add_files, new_files, paths_not_in
from kubeparcel.repository.package import ADVISORY_SUFFIX, SIDE_SUFFIXES, Package, split_side_path
from kubeparcel.repository.package_cache import PackageCache
from kubeparcel.repository.prepare import INDEX_FORMATS, TargetState, prepare_indexes
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.repository.storage.base import FolderSwap, Storage

_ADDED_PATH = re.compile(
    r"(?:apt/pool|yum/[^/]+/packages)/(?!.*//)(?!.*/\.)[^\x00-\x1f\\]+\.(?:deb|rpm)"
    rf"(?:{'|'.join(map(re.escape, SIDE_SUFFIXES))})?"
)
"""What a publish adds: nothing else is removed, whatever an interrupted one noted."""

Retained = Mapping[str, tuple[tuple[str, ...], ...]]


def commit(
    storage: Storage, published: State, target: TargetState, signer: Signer, cache: PackageCache, now: int, log: Log
) -> State:
    """Publish the target state and return it as written, with its new generation."""
    keys = _changed_indexes(storage, published, target)
    with ThreadPoolExecutor(1) as thread:
        added = thread.submit(add_files, storage, new_files(published, target))
        prepared = prepare_indexes(storage, published, target, keys, signer, cache, now)
        added.result()
    retained = _retained_indexes(published, target.state, prepared.indexes)
    generation = published.generation + 1
    retired = _retired_packages(published, target.state, generation)
    valid_days = target.state.options.valid_days
    state = target.state.with_records(
        generation=generation,
        retained_indexes=retained,
        retired_packages=retired,
        side_files=_stored_side_files(target.state, retired),
        index_digests=generation_statement.index_digests(published, target.state, prepared.indexes, storage),
        renew_at=now + valid_days * DAY // 2 if valid_days else 0,
        signing_keys=signer.key_expiry_tags,
    )
    attested = generation_statement.publish(state, signer, storage)
    _store_history(storage, published)
    digest = _swap(storage, state, prepared.indexes, keys, log)
    statement_files = generation_statement.publish_current(signer, storage, state) if attested else {}
    pages = client_files.render_folder_pages(published, state)
    client_files.write_client_files(storage, state, {**prepared.client_files, **statement_files}, pages, log)
    _remove_indexes(storage, [key for key in keys if key not in prepared.indexes])
    _remove_unused(storage, published, state)
    return state.with_records(digest=digest, order=state.sorted_packages)


def _swap(
    storage: Storage, state: State, prepared: Mapping[IndexKey, Indexes], keys: Sequence[IndexKey], log: Log
) -> str:
    """Replace the state and the index folders; return the SHA-256 of the state file."""
    data = state_file.dump(state)
    pending = state_file.dump_names(sorted({suite for suite, _ in keys}))
    storage.swap(
        [_folder_swap(storage, indexes, state.retained_indexes, log) for indexes in prepared.values()],
        {state_file.PENDING: pending, state_file.STATE_PATH: data},
    )
    return state_file.digest(data)


def _changed_indexes(storage: Storage, published: State, target: TargetState) -> list[IndexKey]:
    """Return the indexes to build again, or to remove."""
    interrupted = set(state_file.read_names(storage, state_file.PENDING))
    described = target.state.side_files != published.side_files
    keys: list[IndexKey] = []
    for suite in sorted({*published.suites, *target.state.suites}):
        old = published.suites.get(suite, frozenset())
        new = target.state.suites.get(suite, frozenset())
        everything = target.rebuild_all or suite in interrupted
        formats = {package.format for package in (old | new if everything else old ^ new)}
        if described and any(_has_new_advisory(package, published, target.state) for package in new):
            formats.add(Format.RPM)
        keys += [(suite, format_) for format_ in Format if format_ in formats]
    return keys


def _has_new_advisory(package: Package, published: State, target: State) -> bool:
    """Return whether updateinfo.xml changes with an advisory about a published RPM."""
    before, after = published.files_about(package), target.files_about(package)
    return package.format is Format.RPM and after.get(ADVISORY_SUFFIX) != before.get(ADVISORY_SUFFIX)


def _stored_side_files(target: State, retired: Mapping[str, tuple[int, Package]]) -> Mapping[str, Mapping[str, str]]:
    """Return the side files of packages that are still stored, by the package's SHA-256."""
    if not target.side_files:
        return {}
    stored = {package.sha256 for package in (*target.packages, *(package for _, package in retired.values()))}
    return {sha256: files for sha256, files in target.side_files.items() if sha256 in stored}


def _retired_packages(published: State, target: State, generation: int) -> dict[str, tuple[int, Package]]:
    """Return the files in no suite any more that clients of retained generations may request."""
    removed = paths_not_in(target.suites, published)
    retired = {**published.retired_packages, **{path: (generation, package) for path, package in removed.items()}}
    oldest = generation - target.options.generations
    return {
        path: (retired_in, package)
        for path, (retired_in, package) in retired.items()
        if path not in target.packages_by_path and retired_in > oldest
    }


def _retained_indexes(published: State, target: State, prepared: Mapping[IndexKey, Indexes]) -> Retained:
    """Return the by-hash files of the last generations in each index folder, newest first."""
    folders = set(map(index_folder, target.index_keys))
    retained = {folder: generations for folder, generations in published.retained_indexes.items() if folder in folders}
    for indexes in prepared.values():
        names = tuple(sorted(indexes.by_hash))
        older = (g for g in published.retained_indexes.get(indexes.folder, ()) if g != names)
        retained[indexes.folder] = (names, *older)[: target.options.generations]
    return retained


def _store_history(storage: Storage, published: State) -> None:
    path = state_file.history_path(published.generation)
    if published.digest:
        storage.copy([(state_file.STATE_PATH, path)])
    elif published.generation:
        storage.write({path: state_file.dump(published)})


def _folder_swap(storage: Storage, indexes: Indexes, retained: Retained, log: Log) -> FolderSwap:
    """Return the next content of an index folder: new, retained and entry files, and pages."""
    existing = {path.removeprefix(f"{indexes.folder}/") for path in storage.file_sizes(indexes.folder)}
    kept = existing & {name for names in retained[indexes.folder] for name in names}
    new = {name: data for name, data in indexes.by_hash.items() if name not in kept}
    names = [*kept, *indexes.by_hash, *indexes.files, *indexes.entry_files]
    pages = _pages(indexes, names)
    paths = {f"{indexes.folder}/{name}": name for name in pages if name in existing}
    unchanged = {name for path, name in paths.items() if storage.contains(path, pages[name])}
    paths = {path: name for path, name in paths.items() if name not in unchanged}
    kept_pages = unchanged.union(paths[path] for path in directory_listing.foreign_pages(storage, paths, log))
    own_pages = {name: page for name, page in pages.items() if name not in kept_pages}
    files = {**new, **indexes.files, **own_pages, **indexes.entry_files}
    return FolderSwap(indexes.folder, files, frozenset(kept | kept_pages), tuple(indexes.entry_files))


def _pages(indexes: Indexes, names: Sequence[str]) -> dict[str, bytes]:
    return {
        f"{folder}/{directory_listing.INDEX_PAGE}".lstrip("/"): directory_listing.render_page(
            f"{indexes.folder}/{folder}".rstrip("/"), entries
        )
        for folder, entries in directory_listing.group_by_folder(names).items()
    }


def _remove_indexes(storage: Storage, keys: Sequence[IndexKey]) -> None:
    """Remove the indexes of suites that have become empty, entry files first."""
    for key in keys:
        folder = index_folder(key)
        storage.remove([f"{folder}/{name}" for name in reversed(INDEX_FORMATS[key[1]].ENTRY_FILES)])
        storage.remove(storage.file_sizes(folder))


def _remove_unused(storage: Storage, published: State, state: State) -> None:
    """Remove package files and states that no retained generation needs, then the notes."""
    removed = {path: package for path, (_, package) in published.retired_packages.items()}
    removed |= paths_not_in(state.suites, published)
    side_paths = (path for item in removed.items() for path, _ in published.side_paths(*item))
    current = state.stored_by_path
    added = {*state_file.read_names(storage, state_file.ADDING)} - current.keys()
    candidates = {*filter(_ADDED_PATH.fullmatch, added), *removed, *side_paths} - current.keys()
    storage.remove(sorted(path for path in candidates if not _is_side_file(path, state, current)))
    storage.remove(generation_statement.outdated_files(storage, state))
    oldest = state.generation - state.options.generations
    storage.remove(
        state_file.history_path(number) for number in state_file.stored_generations(storage) if number < oldest
    )
    storage.remove([state_file.ADDING, state_file.PENDING])


def _is_side_file(path: str, state: State, packages: Mapping[str, Package]) -> bool:
    """Return whether a path is that of a side file of one of these packages."""
    package_path, suffix = split_side_path(path)
    package = packages.get(package_path)
    return package is not None and suffix in state.files_about(package)
