"""What this machine's containers need beyond the usual, found by trying and said in plain words.

Nothing is assumed: a container starts as the engine likes it unless that fails. What was found is
remembered for this engine, kernel and user.
"""

from __future__ import annotations

import itertools
import os
import platform
import resource
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import ContainerSpec, Engine, ResourceKind
from kubeparcel.store import Store

SUFFICIENT_LIMIT = 4096
"""A limit that is enough for a node, and that a machine may set even if it cannot raise any."""


@dataclass(frozen=True)
class Workaround:
    """Flags that help on some machines, and why in plain words."""

    name: str
    flags: tuple[str, ...]
    explanation: str


def available_workarounds() -> tuple[Workaround, ...]:
    """What may help here, the mildest first."""
    found = [_lower_limits()]
    if shutil.which("runc"):
        why = "The engine's own runtime cannot start containers here: they run with runc"
        found.append(Workaround("runc", ("--runtime=runc",), why))
    return tuple(found)


def _lower_limits() -> Workaround:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = SUFFICIENT_LIMIT if hard == resource.RLIM_INFINITY else min(SUFFICIENT_LIMIT, hard)
    flags = tuple(f"--ulimit={name}={most}:{most}" for name in ("nofile", "nproc"))
    why = f"This machine cannot raise process limits: containers run with nofile={most}"
    return Workaround("limits", flags, f"{why} (see docs/explanation/levels-and-hosts.md)")


@dataclass(frozen=True)
class WorkaroundProbe:
    """The flags by kind of container; asked once a session, and remembered in the store."""

    engine: Engine
    store: Store
    log: Log
    flags_by_kind: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def flags_for(self, image: str, spec: ContainerSpec) -> tuple[str, ...]:
        """What a container like this one needs here; raises ToolError when nothing helps."""
        kind = _kind(spec)
        with self.lock:
            if kind not in self.flags_by_kind:
                self.flags_by_kind[kind] = self._find(kind, replace(spec, image=image))
            return self.flags_by_kind[kind]

    def _find(self, kind: str, start: ContainerSpec) -> tuple[str, ...]:
        key = " ".join([self.engine.name, self.engine.version, kind, *_machine_properties()])
        remembered = self.store.get_record("flags", key)
        names = remembered if isinstance(remembered, list) else None
        for chosen in _combinations(names):
            failed = self._try(start, chosen)
            if failed is None:
                self.store.put_record("flags", key, [remedy.name for remedy in chosen])
                self._explain(chosen)
                return _flags(chosen)
            if not chosen:
                first = failed
        raise ToolError(
            f"{self.engine.name} cannot start a container here ({kind}).",
            f"{first.hint or first.message}\n"
            f"Tried in vain: {', '.join(r.name for r in available_workarounds())}.",
        )

    def _explain(self, chosen: Sequence[Workaround]) -> None:
        for remedy in chosen:
            if not any(set(remedy.flags) <= set(flags) for flags in self.flags_by_kind.values()):
                self.log.info("Host", f"{remedy.explanation}.")

    def _try(self, start: ContainerSpec, chosen: Sequence[Workaround]) -> ToolError | None:
        name = f"kubeparcel-probe-{secrets.token_hex(4)}"
        flags = (*_flags(chosen), *start.flags)
        trial = replace(start, name=name, command=("sleep", "30"), mounts={}, network="none")
        try:
            self.engine.start(replace(trial, flags=flags))
            self.engine.exec(name, ["true"], timeout=30)
        except ToolError as error:
            return error
        finally:
            with suppress(ToolError):
                self.engine.remove(ResourceKind.CONTAINER, [name])
        return None


def _kind(start: ContainerSpec) -> str:
    words = [word for word in ("privileged", "systemd") if getattr(start, word)]
    return " ".join([*words, *sorted(start.capabilities)]) or "plain"


def _machine_properties() -> tuple[str, ...]:
    """What may change the answer: kernel, user, limits and cgroups."""
    limits = map(str, (*resource.getrlimit(resource.RLIMIT_NOFILE), os.geteuid()))
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return (platform.release(), *limits, "cgroup2" if unified else "cgroup1")


def _combinations(names: Sequence[str] | None) -> Iterator[tuple[Workaround, ...]]:
    """Combinations in the order to try: last time's, none, each remedy, any two and so on."""
    fit = available_workarounds()
    if names is not None:
        yield tuple(remedy for remedy in fit if remedy.name in names)
    for count in range(len(fit) + 1):
        yield from itertools.combinations(fit, count)


def _flags(chosen: Sequence[Workaround]) -> tuple[str, ...]:
    return tuple(flag for remedy in chosen for flag in remedy.flags)
