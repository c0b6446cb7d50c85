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
from kubeparcel.hosts.engine import ContainerSpec, Engine, LabelledResource, ResourceKind
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_cache import ImageCache
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.process_identity import ProcessIdentity
from kubeparcel.hosts.workarounds import WorkaroundProbe
from kubeparcel.store import Store


@dataclass(frozen=True)
class Session:
    """What levels work with. Safe to use from several threads.

    With `keep`, containers that were held stay after the end; see `hold`.
    """

    engine: Engine
    store: Store
    log: Log
    locations: ImageLocations
    workarounds: WorkaroundProbe
    image_cache: ImageCache
    folder: Path
    run_id: str
    keep: bool = False
    kept_containers: set[str] = field(default_factory=set)
    logged: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def labels(self) -> Mapping[str, str]:
        """What everything it starts carries."""
        kept = {cleanup.KEPT_LABEL: "yes"} if self.keep else {}
        return {
            cleanup.RUN_LABEL: self.run_id,
            cleanup.OWNER_LABEL: str(ProcessIdentity.current()),
            **kept,
        }

    def ensure_image(self, host: Host, purpose: Purpose = Purpose.INSTALL) -> str:
        """The name of a host's image, made now if need be."""
        self.image_cache.mark_used(images.ImageSpec.for_host(host, purpose, self.locations).name)
        labels = tuple(self.labels.items())
        needed = images.ImageBuildContext(
            *(self.engine, self.store, self.log, self.locations, self.folder, labels),
            workaround_flags=lambda name: self.workarounds.flags_for(
                name, ContainerSpec(name, "", labels=self.labels)
            ),
        )
        return images.ensure_image(needed, host, purpose)

    @contextmanager
    def start_container(self, host: Host, spec: ContainerSpec) -> Iterator[Container]:
        """A running container until the block ends; `start.name` is made unique, labels added.

        Flags that this machine needs are found by trying. It stays only if it was held.
        """
        if self.stopped.is_set():
            raise KeyboardInterrupt
        name = f"kubeparcel-{self.run_id}-{host.name}-{spec.name}-{secrets.token_hex(2)}"
        wanted = replace(spec, name=name, labels={**self.labels, **spec.labels})
        flags = (*self.workarounds.flags_for(spec.image, wanted), *spec.flags)
        try:
            self.engine.start(replace(wanted, flags=flags))
            yield Container(self.engine, name, host)
        finally:
            self.engine.close_shells([name])
            if name not in self.kept_containers and not self.stopped.is_set():
                self.engine.remove(ResourceKind.CONTAINER, [name])

    def log_once(self, label: str, text: str) -> None:
        """Say something in the log, once a session."""
        if text not in self.logged:
            self.logged.add(text)
            self.log.info(label, text)

    def keep_for_debugging(self, container: Container) -> None:
        """Something failed in there: with `keep` it stays, and the log says how to enter it."""
        if self.keep and container.name not in self.kept_containers:
            self.kept_containers.add(container.name)
            self.log.info(
                "Kept",
                f"{container.shell_command}\n"
                f"Remove it with: {self.engine.name} rm -f -v {container.name}",
            )

    def stop(self) -> None:
        """End everything now: whoever waits for a container is told that it is gone."""
        self.stopped.set()
        cleanup.remove_labelled(
            self.engine, f"{cleanup.RUN_LABEL}={self.run_id}", self._is_not_kept
        )

    def _is_not_kept(self, row: LabelledResource) -> bool:
        return row.name not in self.kept_containers


@contextmanager
def open_session(
    store: Store,
    log: Log,
    *,
    engine: str = "",
    keep: bool = False,
    locations: ImageLocations | None = None,
) -> Iterator[Session]:
    """A session, after what dead ones left was removed; at its end nothing of it is left.

    Raises EngineUnavailable when there is none. SIGTERM ends it like Ctrl-C while it is open.
    """
    chosen = select_engine(engine)
    gone = cleanup.remove_stale(chosen, store)
    if gone:
        log.info("Cleaned", f"{len(gone)} things that a killed run left: {', '.join(gone)}")
    folder = cleanup.process_folder(store, ProcessIdentity.current()) / secrets.token_hex(3)
    folder.mkdir(parents=True)
    probe = WorkaroundProbe(chosen, store, log)
    run, shelf = secrets.token_hex(4), ImageCache(chosen, store, log)
    where = locations or ImageLocations.from_environment()
    here = Session(chosen, store, log, where, probe, shelf, folder, run, keep)
    with _sigterm_as_interrupt():
        try:
            yield here
        finally:
            here.stop()
            shelf.close()
            if (
                not here.kept_containers
            ):  # else a container is left that has its packages from there
                shutil.rmtree(folder, ignore_errors=True)
            _remove_if_empty(folder.parent)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # another session of this process is still in there
        return


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
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
