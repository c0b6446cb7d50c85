"""Brings a repository from one state to the next, so that clients see the old or the new one.

Order: package files under new names, while indexes are made and signed; these beside the present
ones; the state; the swap; then what no generation needs any more is taken away. Whatever a broken
publish left is finished or cleared by the next one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kubeparcel.model import Format
from kubeparcel.repository import client_files, directory_listing, prepare, state_file
from kubeparcel.repository.model import DAY, Indexes, Package, State, Suites
from kubeparcel.repository.package_cache import PackageCache
from kubeparcel.repository.prepare import INDEX_FORMATS, IndexKey, TargetState
from kubeparcel.repository.signing.signer import Signer
from kubeparcel.repository.storage.base import FolderSwap, Storage


class Adding(NamedTuple):
    """A package file's new place: its bytes come from `source`, else are at `home` already."""

    place: str
    home: str
    source: str


def commit(
    storage: Storage,
    before: State,
    wanted: TargetState,
    signer: Signer,
    memory: PackageCache,
    now: int,
) -> State:
    """Make it so; gives the state that was written."""
    todo = _parts(storage, before, wanted)
    adding = _adding(before, wanted)
    with storage.beside(lambda: _add_files(storage, adding), len(adding)) as added:
        done = prepare.prepare_indexes(storage, before, wanted, todo, signer, memory, now)
        added()
    made = {part: indexes for part, (indexes, _) in done.parts.items()}
    kept = _kept(before, wanted.state, made)
    generation = before.generation + 1
    state = dataclasses.replace(
        wanted.state,
        generation=generation,
        retained_indexes=kept,
        retired_packages=_gone(before, wanted.state, generation),
        renew_at=now + wanted.state.options.valid_days * DAY // 2
        if wanted.state.options.valid_days
        else 0,
        signing_keys=signer.key_expiry_tags,
    )
    swaps = [_swap(storage, *one, kept) for one in done.parts.values()]
    _keep(storage, before)
    begun = sorted({suite for suite, _ in todo})
    storage.swap(
        swaps,
        {
            state_file.PENDING: json.dumps(begun).encode(),
            state_file.STATE_PATH: state_file.dump(state, done.listed),
        },
    )
    client_files.write_client_files(storage, state, done.shown, done.folders)
    _clear(storage, before, wanted.state, state, [part for part in todo if part not in made])
    return state


def _adding(before: State, wanted: TargetState) -> list[Adding]:
    """The package files that are new in a suite: where clients will look for each."""
    missing = _places(before.suites, wanted.state)
    gone = {package for _, package in before.retired_packages.values()}
    old = {p for p in missing.values() if p in before.packages or p in gone}
    homes: dict[Package, str] = {}
    if old:
        there = {
            place: p for place, (_, p) in before.retired_packages.items()
        } | before.packages_by_path
        missing = {place: p for place, p in missing.items() if there.get(place) != p}
        homes = {p: place for place, p in there.items() if p in old - wanted.sources.keys()}
    rows = []
    for place, package in missing.items():
        home = homes.setdefault(package, place)
        rows.append(Adding(place, home, "" if home != place else wanted.sources[package]))
    return rows


def _add_files(storage: Storage, adding: Sequence[Adding]) -> None:
    if not adding:
        return
    storage.write({state_file.ADDING: json.dumps([row.place for row in adding]).encode()})
    storage.add([(row.place, row.source) for row in adding if row.source])
    storage.copy([(row.home, row.place) for row in adding if not row.source])


def _places(others: Suites, state: State) -> dict[str, Package]:
    """What a state's suites have that these have not, by its place, in order."""
    found: dict[str, Package] = {}
    for suite, held in sorted(state.suites.items()):
        if new := held - others.get(suite, frozenset()):
            found |= {p.repository_path(suite): p for p in state.sorted_packages if p in new}
    return found


def _gone(before: State, after: State, generation: int) -> dict[str, tuple[int, Package]]:
    """The package files no suite has any more, but clients of kept generations may."""
    dropped = _places(after.suites, before)
    rows = {**before.retired_packages, **{place: (generation, p) for place, p in dropped.items()}}
    oldest = generation - after.options.generations
    return {
        place: row
        for place, row in rows.items()
        if place not in after.packages_by_path and row[0] > oldest
    }


def _parts(storage: Storage, before: State, wanted: TargetState) -> list[IndexKey]:
    """The parts that have to be made anew, or that are to go."""
    broken = set(state_file.read_names(storage, state_file.PENDING))
    parts: list[IndexKey] = []
    for suite in sorted({*before.suites, *wanted.state.suites}):
        old, new = (state.suites.get(suite, frozenset()) for state in (before, wanted.state))
        all_of = wanted.rebuild_all or suite in broken
        there = {p.format for p in (old | new if all_of else old ^ new)}
        parts += [(suite, form) for form in Format if form in there]
    return parts


def _keep(storage: Storage, before: State) -> None:
    """Put the present state into the history."""
    path = state_file.history_path(before.generation)
    if before.persisted:
        storage.copy([(state_file.STATE_PATH, path)])
    elif before.generation:
        storage.write({path: state_file.dump(before)})


def _kept(
    before: State, wanted: State, made: Mapping[IndexKey, Indexes]
) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The hashed names of the last generations in each folder, newest first."""
    folders = {
        INDEX_FORMATS[f].index_folder(suite)
        for suite, has in wanted.formats_by_suite.items()
        for f in has
    }
    kept = {folder: rows for folder, rows in before.retained_indexes.items() if folder in folders}
    for one in made.values():
        older = before.retained_indexes.get(one.folder, ())
        names = tuple(sorted(one.by_hash))
        rows = (names, *(row for row in older if row != names))
        kept[one.folder] = rows[: wanted.options.generations]
    return kept


def _swap(
    storage: Storage,
    made: Indexes,
    entries: Mapping[str, bytes],
    kept: Mapping[str, Sequence[Sequence[str]]],
) -> FolderSwap:
    start = f"{made.folder}/"
    live = {path.removeprefix(start) for path in storage.file_sizes(made.folder)}
    stay = live & {name for row in kept[made.folder] for name in row}
    new = {name: data for name, data in made.by_hash.items() if name not in stay}
    inside = directory_listing.group_by_folder([*stay, *made.by_hash, *made.files, *entries])
    pages = {
        f"{folder}/{directory_listing.INDEX_PAGE}".lstrip("/"): directory_listing.render_page(
            f"{start}{folder}".rstrip("/"), rows
        )
        for folder, rows in inside.items()
    }
    return FolderSwap(
        made.folder, {**new, **made.files, **pages, **entries}, frozenset(stay), made.entry_files
    )


def _clear(
    storage: Storage, before: State, wanted: State, state: State, gone: Sequence[IndexKey]
) -> None:
    """Take away what no kept generation needs, and the notes of a publish under way."""
    for suite, form in gone:
        folder = INDEX_FORMATS[form].index_folder(suite)
        entry = [f"{folder}/{name}" for name in reversed(INDEX_FORMATS[form].ENTRY_FILES)]
        storage.remove(entry)
        storage.remove(storage.file_sizes(folder))
    leftover = {*state_file.read_names(storage, state_file.ADDING), *before.retired_packages}
    leftover |= _places(wanted.suites, before).keys()
    storage.remove(sorted(leftover.difference(state.retired_packages, wanted.packages_by_path)))
    oldest = state.generation - state.options.generations
    past = [number for number in state_file.stored_generations(storage) if number < oldest]
    storage.remove(map(state_file.history_path, past))
    storage.remove([state_file.ADDING, state_file.PENDING])
