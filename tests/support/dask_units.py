"""A unit that writes a file, for tests of where units are done and what happens to them."""

from __future__ import annotations

import functools
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeparcel.build.workers.units import Resource
from kubeparcel.console import Log
from kubeparcel.errors import KubeparcelError
from kubeparcel.store import Store


@dataclass(frozen=True)
class TextUnit:
    """Adds its label to the store; the result is the digest, and the process that did it."""

    label: str
    resource: Resource = Resource.ASSEMBLE
    seconds: float = 0.0
    weight: float = 1.0
    inputs: tuple[str, ...] = ()
    error: type[KubeparcelError] | None = None

    @property
    def key(self) -> str:
        return self.label

    def cached(self, store: Store) -> Any:
        return None

    def run(self, store: Store, log: Log) -> tuple[str, int]:
        time.sleep(self.seconds)
        if self.error:
            raise self.error(f"{self.label} failed in {os.getpid()}")
        for sha256 in self.inputs:
            store.get(sha256, "an input")
        return store.add_bytes(self.label.encode()), os.getpid()

    def cancel(self) -> None:
        pass


@dataclass(frozen=True)
class EndlessUnit(TextUnit):
    """Runs until it is cancelled; `label` is a folder for the files `started` and `ended`."""

    @functools.cached_property
    def _cancelled(self) -> threading.Event:
        return threading.Event()

    def run(self, store: Store, log: Log) -> tuple[str, int]:
        (Path(self.label) / "started").touch()
        if self._cancelled.wait(60):
            (Path(self.label) / "ended").touch()
        return "", os.getpid()

    def cancel(self) -> None:
        self._cancelled.set()
