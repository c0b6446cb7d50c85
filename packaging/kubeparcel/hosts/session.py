"""One run's containers: started with labels, gone at its end, whatever the end is."""

from __future__ import annotations

import secrets
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from kubeparcel.console import Log
from kubeparcel.hosts import base_images as images
from kubeparcel.hosts import cleanup
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import Engine, Labelled, Start, What
from kubeparcel.hosts.engine_cli import choose
from kubeparcel.hosts.image_cache import Shelf
from kubeparcel.hosts.image_locations import Places
from kubeparcel.hosts.process_identity import Owner
from kubeparcel.hosts.workarounds import Probe
from kubeparcel.store import Store


@dataclass(frozen=True)
class Session:
    """What levels work with. Safe to use from several threads.

    With `keep`, containers that were held stay after the end; see `hold`.
    """

    engine: Engine
    store: Store
    log: Log
    places: Places
    probe: Probe
    shelf: Shelf
    folder: Path
    run: str
    keep: bool = False
    held: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def labels(self) -> Mapping[str, str]:
        """What everything it starts carries."""
        kept = {cleanup.KEPT: "yes"} if self.keep else {}
        return {cleanup.LABEL: self.run, cleanup.OWNER: str(Owner.current()), **kept}

    def image(self, host: Host, purpose: Purpose = Purpose.INSTALL) -> str:
        """The name of a host's image, made now if need be."""
        self.shelf.use(images.Definition.of(host, purpose, self.places).name)
        labels = tuple(self.labels.items())
        needed = images.Workshop(
            *(self.engine, self.store, self.log, self.places, self.folder, labels),
            flags=lambda name: self.probe.flags(name, Start(name, "", labels=self.labels)),
        )
        return images.ensure(needed, host, purpose)

    @contextmanager
    def container(self, host: Host, start: Start) -> Iterator[Container]:
        """A running container until the block ends; `start.name` is made unique, labels added.

        Flags that this machine needs are found by trying. It stays only if it was held.
        """
        if self.stopped.is_set():
            raise KeyboardInterrupt
        name = f"kubeparcel-{self.run}-{host.name}-{start.name}-{secrets.token_hex(2)}"
        wanted = replace(start, name=name, labels={**self.labels, **start.labels})
        flags = (*self.probe.flags(start.image, wanted), *start.flags)
        try:
            self.engine.start(replace(wanted, flags=flags))
            yield Container(self.engine, name, host)
        finally:
            self.engine.leave([name])
            if name not in self.held and not self.stopped.is_set():
                self.engine.remove(What.CONTAINER, [name])

    def tell(self, label: str, text: str) -> None:
        """Say something in the log, once a session."""
        if text not in self.told:
            self.told.add(text)
            self.log.info(label, text)

    def hold(self, box: Container) -> None:
        """Something failed in there: with `keep` it stays, and the log says how to enter it."""
        if self.keep and box.name not in self.held:
            self.held.add(box.name)
            self.log.info("Kept", f"{box.shell}\nWhen done: {self.engine.name} rm -f -v {box.name}")

    def stop(self) -> None:
        """End everything now: whoever waits for a container is told that it is gone."""
        self.stopped.set()
        cleanup.remove(self.engine, f"{cleanup.LABEL}={self.run}", self._unheld)

    def _unheld(self, row: Labelled) -> bool:
        return row.name not in self.held


@contextmanager
def opened(
    store: Store, log: Log, *, engine: str = "", keep: bool = False, places: Places | None = None
) -> Iterator[Session]:
    """A session, after what dead ones left was removed; at its end nothing of it is left.

    Raises NoEngine when there is none. SIGTERM ends it like Ctrl-C while it is open.
    """
    chosen = choose(engine)
    gone = cleanup.sweep(chosen, store)
    if gone:
        log.info("Cleaned", f"{len(gone)} things that a killed run left: {', '.join(gone)}")
    folder = cleanup.folder(store, Owner.current()) / secrets.token_hex(3)
    folder.mkdir(parents=True)
    probe = Probe(chosen, store, log)
    run, shelf = secrets.token_hex(4), Shelf(chosen, store, log)
    where = places or Places.of_machine()
    here = Session(chosen, store, log, where, probe, shelf, folder, run, keep)
    with _terminable():
        try:
            yield here
        finally:
            here.stop()
            shelf.close()
            if not here.held:  # else a container is left that has its packages from there
                shutil.rmtree(folder, ignore_errors=True)
            _tidy(folder.parent)


def _tidy(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # another session of this process is still in there
        return


@contextmanager
def _terminable() -> Iterator[None]:
    """While it lasts, SIGTERM is Ctrl-C: what is open is closed in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
