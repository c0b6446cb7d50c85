"""Find the engine flags that containers need on this machine by trying to start one.

A container starts without extra flags unless that fails. The result is stored per engine, kernel and user.
"""

from __future__ import annotations

import itertools
import os
import platform
import resource
import secrets
import shutil
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import ContainerSpec, Engine, EngineUnavailable, ResourceKind
from kubeparcel.store import Store

SUFFICIENT_LIMIT = 4096
"""A process limit that suffices for a node and does not exceed the usual hard limits."""


@dataclass(frozen=True)
class Workaround:
    """Engine flags that some machines need, and the reason for the log."""

    name: str
    flags: tuple[str, ...]
    explanation: str


def available_workarounds() -> tuple[Workaround, ...]:
    """Return the workarounds that this machine can use, the least intrusive first."""
    workarounds = [_lower_limits()]
    if shutil.which("runc"):
        explanation = "The engine's default runtime cannot start containers here: using runc"
        workarounds.append(Workaround("runc", ("--runtime=runc",), explanation))
    return tuple(workarounds)


def _lower_limits() -> Workaround:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = SUFFICIENT_LIMIT if hard == resource.RLIM_INFINITY else min(SUFFICIENT_LIMIT, hard)
    flags = tuple(f"--ulimit={name}={limit}:{limit}" for name in ("nofile", "nproc"))
    explanation = (
        f"This machine cannot raise process limits: containers run with nofile={limit} "
        "(see docs/explanation/levels-and-hosts.md)"
    )
    return Workaround("limits", flags, explanation)


@dataclass(frozen=True)
class WorkaroundProbe:
    """The flags for each kind of container, probed once per session and kept in the store."""

    engine: Engine
    store: Store
    log: Log
    flags_by_kind: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def flags_for(self, spec: ContainerSpec) -> tuple[str, ...]:
        """Return the flags that a container like `spec` needs; raise ToolError if none help."""
        kind = " ".join([*(["systemd"] if spec.systemd else []), *sorted(spec.capabilities)]) or "plain"
        with self.lock:
            if kind not in self.flags_by_kind:
                self.flags_by_kind[kind] = self._find(kind, spec)
            return self.flags_by_kind[kind]

    def _find(self, kind: str, spec: ContainerSpec) -> tuple[str, ...]:
        key = " ".join([self.engine.name, self.engine.version, kind, *_machine_properties()])
        for workarounds in _combinations(self.store.get_record("flags", key) or []):
            error = self._try(spec, workarounds)
            if error is None:
                self.store.put_record("flags", key, [w.name for w in workarounds])
                used = {flag for flags in self.flags_by_kind.values() for flag in flags}
                for workaround in workarounds:
                    if not used.issuperset(workaround.flags):  # not logged yet
                        self.log.info("Host", f"{workaround.explanation}.")
                return _flags(workarounds)
            if not workarounds:
                plain_error = error
        raise EngineUnavailable(
            f"{self.engine.name} cannot start a {kind} container on this machine.",
            f"{plain_error.hint or plain_error.message}\n"
            f"Workarounds tried: {', '.join(w.name for w in available_workarounds())}.",
        )

    def _try(self, spec: ContainerSpec, workarounds: Sequence[Workaround]) -> ToolError | None:
        """Start a container with the workarounds; return the error, None if it works."""
        name = f"kubeparcel-probe-{secrets.token_hex(4)}"
        trial = replace(spec, name=name, command=("sleep", "30"), mounts={}, network="none", flags=_flags(workarounds))
        try:
            self.engine.start(trial)
            self.engine.exec(name, ["true"], timeout=30)
        except ToolError as error:
            return error
        finally:
            with suppress(ToolError):
                self.engine.remove(ResourceKind.CONTAINER, name)
        return None


def _machine_properties() -> tuple[str, ...]:
    """Return what the result depends on: kernel, limits, user and cgroup version."""
    limits = map(str, (*resource.getrlimit(resource.RLIMIT_NOFILE), os.geteuid()))
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return (platform.release(), *limits, "cgroup2" if unified else "cgroup1")


def _combinations(names: Sequence[str]) -> Iterable[tuple[Workaround, ...]]:
    """Return the stored combination first, then none, each workaround, each pair and so on."""
    workarounds = available_workarounds()
    stored = tuple(workaround for workaround in workarounds if workaround.name in names)
    others = (itertools.combinations(workarounds, count) for count in range(len(workarounds) + 1))
    return dict.fromkeys([stored, *itertools.chain.from_iterable(others)])


def _flags(workarounds: Sequence[Workaround]) -> tuple[str, ...]:
    return tuple(flag for workaround in workarounds for flag in workaround.flags)
