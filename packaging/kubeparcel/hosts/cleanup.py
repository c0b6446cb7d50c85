"""Labels containers, networks and folders with the process that owns them, and removes those of exited processes."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import Engine, LabeledResource
from kubeparcel.store import Store

RUN_LABEL = "kubeparcel.run"
OWNER_LABEL = "kubeparcel.owner"
KEPT_LABEL = "kubeparcel.kept"
FOLDER_PREFIX = "hosts-"

_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, distinct from any other that has or had its process id.

    `boot_id` identifies the machine's boot, `pid_namespace` is an inode number, `start_time` is in
    clock ticks since the boot (proc(5), field 22 of stat).
    """

    hostname: str
    boot_id: str
    pid_namespace: str
    pid: int
    start_time: int

    @classmethod
    @cache
    def current(cls) -> ProcessIdentity:
        pid = os.getpid()
        return cls(socket.gethostname(), _boot_id(), _pid_namespace(), pid, _start_time(pid) or 0)

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """Parse what `str` returned; return None for any other text."""
        parts = text.rsplit("/", 4)
        if len(parts) != 5 or not (parts[3].isdigit() and parts[4].isdigit()):
            return None
        return cls(parts[0], parts[1], parts[2], int(parts[3]), int(parts[4]))

    def __str__(self) -> str:
        return "/".join(map(str, astuple(self)))

    @property
    def has_exited(self) -> bool:
        """Whether the process has certainly exited; one that is not visible from here has not."""
        if self.hostname != socket.gethostname():
            return False
        if self.boot_id != _boot_id():
            return True
        return self.pid_namespace == _pid_namespace() and _start_time(self.pid) != self.start_time


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()[:8]


def _pid_namespace() -> str:
    return str((_PROC / "self/ns/pid").stat().st_ino)


def _start_time(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def remove_stale(engine: Engine, store: Store) -> list[str]:
    """Remove what exited processes left, except containers kept on purpose; return the names."""

    def is_stale(resource: LabeledResource) -> bool:
        owner = ProcessIdentity.parse(resource.labels.get(OWNER_LABEL, ""))
        return owner is not None and owner.has_exited and KEPT_LABEL not in resource.labels

    keepers = {resource.labels.get(OWNER_LABEL, "") for resource in engine.list_labeled(KEPT_LABEL)}
    return [*remove_labeled(engine, RUN_LABEL, is_stale), *_remove_stale_folders(store, keepers)]


def remove_labeled(
    engine: Engine, label: str, is_selected: Callable[[LabeledResource], bool] = lambda _: True
) -> list[str]:
    """Remove the resources with a label that `is_selected` returns True for; return their names.

    A resource that cannot be removed is not an error: another process may have just removed it.
    """
    resources = [resource for resource in engine.list_labeled(label) if is_selected(resource)]
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
