"""What dead runs left behind, found by its labels and removed; nothing else is touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import Engine, Labelled, What
from kubeparcel.hosts.process_identity import Owner
from kubeparcel.store import Store

LABEL = "kubeparcel.run"
OWNER = "kubeparcel.owner"
KEPT = "kubeparcel.kept"
PREFIX = "hosts-"


def sweep(engine: Engine, store: Store) -> list[str]:
    """Remove what runs left that are certainly dead; give the names of what went."""

    def left(row: Labelled) -> bool:
        owner = Owner.parse(row.labels.get(OWNER, ""))
        return owner is not None and owner.dead and KEPT not in row.labels

    kept = {row.labels.get(OWNER, "") for row in engine.labelled(KEPT)}
    return [*remove(engine, LABEL, left), *_folders(store, kept)]


def remove(
    engine: Engine, label: str, chosen: Callable[[Labelled], bool] = lambda _: True
) -> list[str]:
    """Remove what carries a label and is chosen; give the names. Another process may be quicker."""
    found = [row for row in engine.labelled(label) if chosen(row)]
    for what in What:
        _remove(engine, what, [row.name for row in found if row.what is what])
    return [f"{row.what} {row.name}" for row in found]


def _remove(engine: Engine, what: What, names: Iterable[str]) -> None:
    for name in names:
        with suppress(ToolError):
            engine.remove(what, [name])


def folder(store: Store, owner: Owner) -> Path:
    """Where a process keeps its files while it runs."""
    name = PREFIX + str(owner).replace("/", ",")
    place = store.root / "scratch" / name
    place.mkdir(parents=True, exist_ok=True)
    return place


def _folders(store: Store, kept: Collection[str]) -> list[str]:
    """The folders of the dead, but for those whose packages a kept container still shows."""
    gone = []
    for place in (store.root / "scratch").glob(f"{PREFIX}*"):
        owner = Owner.parse(place.name.removeprefix(PREFIX).replace(",", "/"))
        if owner and owner.dead and str(owner) not in kept:
            shutil.rmtree(place, ignore_errors=True)
            gone.append(f"folder {place}")
    return gone
