"""What dead runs left behind, found by its labels and removed; nothing else is touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import Engine, LabelledResource, ResourceKind
from kubeparcel.hosts.process_identity import ProcessIdentity
from kubeparcel.store import Store

RUN_LABEL = "kubeparcel.run"
OWNER_LABEL = "kubeparcel.owner"
KEPT_LABEL = "kubeparcel.kept"
FOLDER_PREFIX = "hosts-"


def remove_stale(engine: Engine, store: Store) -> list[str]:
    """Remove what runs left that are certainly dead; give the names of what went."""

    def left(row: LabelledResource) -> bool:
        owner = ProcessIdentity.parse(row.labels.get(OWNER_LABEL, ""))
        return owner is not None and owner.has_exited and KEPT_LABEL not in row.labels

    kept = {row.labels.get(OWNER_LABEL, "") for row in engine.list_labelled(KEPT_LABEL)}
    return [*remove_labelled(engine, RUN_LABEL, left), *_remove_stale_folders(store, kept)]


def remove_labelled(
    engine: Engine, label: str, chosen: Callable[[LabelledResource], bool] = lambda _: True
) -> list[str]:
    """Remove what carries a label and is chosen; give the names. Another process may be quicker."""
    found = [row for row in engine.list_labelled(label) if chosen(row)]
    for what in ResourceKind:
        _remove(engine, what, [row.name for row in found if row.kind is what])
    return [f"{row.kind} {row.name}" for row in found]


def _remove(engine: Engine, what: ResourceKind, names: Iterable[str]) -> None:
    for name in names:
        with suppress(ToolError):
            engine.remove(what, [name])


def process_folder(store: Store, owner: ProcessIdentity) -> Path:
    """Where a process keeps its files while it runs."""
    name = FOLDER_PREFIX + str(owner).replace("/", ",")
    place = store.root / "scratch" / name
    place.mkdir(parents=True, exist_ok=True)
    return place


def _remove_stale_folders(store: Store, kept: Collection[str]) -> list[str]:
    """The folders of the dead, but for those whose packages a kept container still shows."""
    gone = []
    for place in (store.root / "scratch").glob(f"{FOLDER_PREFIX}*"):
        owner = ProcessIdentity.parse(place.name.removeprefix(FOLDER_PREFIX).replace(",", "/"))
        if owner and owner.has_exited and str(owner) not in kept:
            shutil.rmtree(place, ignore_errors=True)
            gone.append(f"folder {place}")
    return gone
