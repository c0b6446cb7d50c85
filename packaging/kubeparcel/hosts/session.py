"""A session: containers that are removed when it ends, also after an error or Ctrl-C, and parallel work in them."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from kubeparcel.console import Log
from kubeparcel.hosts import cleanup
from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec, Engine, ResourceKind
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_cache import ImageCache
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.hosts.workarounds import WorkaroundProbe
from kubeparcel.store import Store

T = TypeVar("T")

MB_PER_CONTAINER = 700
"""The memory that a container of the install level needs at most, in MB."""


@dataclass(frozen=True)
class Session:
    """The engine, store and log of a run, and the containers that it starts. Thread-safe.

    `folder` is removed with the session. With `keep`, containers that `keep_for_debugging` was
    called for are left running. Every container gets the user's `engine_options`.
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
    engine_options: tuple[str, ...] = ()
    kept_containers: set[str] = field(default_factory=set)
    logged: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of everything that the session creates."""
        kept = {cleanup.KEPT_LABEL: "yes"} if self.keep else {}
        return {cleanup.RUN_LABEL: self.run_id, cleanup.OWNER_LABEL: str(cleanup.ProcessIdentity.current()), **kept}

    @contextmanager
    def start_container(self, host: Host, spec: ContainerSpec) -> Iterator[Container]:
        """Run a container until the block ends, unless it is kept for debugging.

        Its name is made unique; labels, the flags that this machine needs and the user's options are added.
        """
        if self.stopped.is_set():
            raise KeyboardInterrupt
        name = f"kubeparcel-{self.run_id}-{host.name}-{spec.name}-{secrets.token_hex(2)}"
        labeled = replace(spec, name=name, labels=self.labels)
        flags = (*self.workarounds.flags_for(labeled), *self.engine_options)
        try:
            self.engine.start(replace(labeled, flags=flags))
            yield Container(self.engine, name, host)
        finally:
            self.engine.close_shell(name)
            if name not in self.kept_containers and not self.stopped.is_set():
                self.engine.remove(ResourceKind.CONTAINER, name)

    def log_once(self, label: str, text: str) -> None:
        """Log a line unless this session has already logged it."""
        if text not in self.logged:
            self.logged.add(text)
            self.log.info(label, text)

    def keep_for_debugging(self, container: Container) -> None:
        """Keep a failed container if the session has `keep`, and log how to enter it."""
        if self.keep and container.name not in self.kept_containers:
            self.kept_containers.add(container.name)
            self.log.info(
                "Kept",
                f"{self.engine.name} exec -it {container.name} bash\n"
                f"Remove it with: {self.engine.name} rm -f -v {container.name}",
            )

    def stop(self) -> None:
        """Remove all containers now; threads that wait for a command in one get an error."""
        self.stopped.set()
        cleanup.remove_labeled(
            self.engine,
            f"{cleanup.RUN_LABEL}={self.run_id}",
            lambda resource: resource.name not in self.kept_containers,
        )


@contextmanager
def open_session(
    store: Store,
    log: Log,
    *,
    engine: str = "",
    engine_options: Sequence[str] = (),
    keep: bool = False,
    locations: ImageLocations | None = None,
) -> Iterator[Session]:
    """Open a session after removing what killed processes left; remove its containers at the end.

    Raises EngineUnavailable. While it is open, SIGTERM is handled like Ctrl-C.
    """
    selected = select_engine(engine)
    removed = cleanup.remove_stale(selected, store)
    if removed:
        log.info("Cleaned", f"removed what a killed run left: {', '.join(removed)}")
    folder = cleanup.process_folder(store) / secrets.token_hex(3)
    folder.mkdir(parents=True)
    session = Session(
        engine=selected,
        store=store,
        log=log,
        locations=locations or ImageLocations.from_environment(),
        workarounds=WorkaroundProbe(selected, store, log),
        image_cache=ImageCache(selected, store, log),
        folder=folder,
        run_id=secrets.token_hex(4),
        keep=keep,
        engine_options=tuple(engine_options),
    )
    with _sigterm_as_interrupt():
        try:
            yield session
        finally:
            session.stop()
            session.image_cache.close()
            if not session.kept_containers:  # a kept container has its packages mounted from there
                shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # not empty: this process has another session open
                folder.parent.rmdir()


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM within the block; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def default_workers() -> int:
    """Return how many containers this machine's processors and available memory allow."""
    processors = len(os.sched_getaffinity(0))
    return max(1, min(processors + 1, _available_mb() // MB_PER_CONTAINER))


def _available_mb(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the memory available to programs, which includes the page cache (proc(5))."""
    match = re.search(r"^MemAvailable: +(\d+) kB$", meminfo.read_text("ascii"), re.MULTILINE)
    return int(match[1]) // 1000 if match else MB_PER_CONTAINER


def run_parallel(session: Session, work: Callable[[int], T], count: int, workers: int | None = None) -> list[T]:
    """Call `work(0)` to `work(count - 1)` in threads and return their results in this order.

    The first exception, or Ctrl-C, stops the session, so that the other calls end too.
    """
    with ThreadPoolExecutor(workers or default_workers(), "host") as pool:
        futures: list[Future[T]] = []
        try:
            futures += [pool.submit(work, index) for index in range(count)]
            for future in as_completed(futures):
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in futures):
                session.stop()
                wait(futures, timeout=0.5)
            raise
