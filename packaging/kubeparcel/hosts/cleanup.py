"""Remove containers, networks and folders of processes that were killed, by their labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import Engine, LabelledResource
from kubeparcel.hosts.process_identity import ProcessIdentity
from kubeparcel.store import Store

RUN_LABEL = "kubeparcel.run"
OWNER_LABEL = "kubeparcel.owner"
KEPT_LABEL = "kubeparcel.kept"
FOLDER_PREFIX = "hosts-"


def remove_stale(engine: Engine, store: Store) -> list[str]:
    """Remove what exited processes left, except containers kept on purpose; return the names."""

    def is_stale(resource: LabelledResource) -> bool:
        owner = ProcessIdentity.parse(resource.labels.get(OWNER_LABEL, ""))
        return owner is not None and owner.has_exited and KEPT_LABEL not in resource.labels

    keepers = {resource.labels.get(OWNER_LABEL, "") for resource in engine.list_labelled(KEPT_LABEL)}
    return [*remove_labelled(engine, RUN_LABEL, is_stale), *_remove_stale_folders(store, keepers)]


def remove_labelled(
    engine: Engine, label: str, is_selected: Callable[[LabelledResource], bool] = lambda _: True
) -> list[str]:
    """Remove the resources with a label that `is_selected` returns True for; return their names.

    A resource that cannot be removed, as another process has just removed it, is no error.
    """
    resources = [resource for resource in engine.list_labelled(label) if is_selected(resource)]
    for resource in resources:
        with suppress(ToolError):
            engine.remove(resource.kind, resource.name)
    return [f"{resource.kind} {resource.name}" for resource in resources]


def process_folder(store: Store) -> Path:
    """Return the path of the folder for this process's temporary files."""
    owner = str(ProcessIdentity.current()).replace("/", ",")
    return store.subfolder("scratch") / f"{FOLDER_PREFIX}{owner}"


def _remove_stale_folders(store: Store, keepers: Collection[str]) -> list[str]:
    """Remove the folders of exited processes, unless a kept container still mounts one."""
    removed = []
    for folder in store.glob(f"scratch/{FOLDER_PREFIX}*"):
        owner = ProcessIdentity.parse(folder.name.removeprefix(FOLDER_PREFIX).replace(",", "/"))
        if owner and owner.has_exited and str(owner) not in keepers:
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(f"folder {folder}")
    return removed
