"""Levels on the hosts of workers: each host of a level is a unit that a worker with a container engine runs.

Packages travel by their digests; the worker runs the same code as a verification of this machine.
"""

from __future__ import annotations

import functools
import shutil
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from kubeparcel.build.shared_cache import open_build_store
from kubeparcel.build.workers.scheduler import LocalWorkers, open_workers
from kubeparcel.build.workers.units import Resource, Submit
from kubeparcel.config.setting_types import LOCAL_WORKERS
from kubeparcel.console import Log, duration, quantity
from kubeparcel.errors import UsageError
from kubeparcel.hosts import selection
from kubeparcel.hosts.catalog import load_hosts
from kubeparcel.hosts.engine import EngineUnavailable
from kubeparcel.hosts.session import Session
from kubeparcel.model import Arch, Format
from kubeparcel.reports.results import Report
from kubeparcel.store import Store
from kubeparcel.threads import Cancelled, CancelToken
from kubeparcel.verify.host_levels import HOST_LEVELS, Hosts, open_local_hosts
from kubeparcel.verify.level_packages import LevelPackages, PackageSets
from kubeparcel.verify.level_runner import HostLevel
from kubeparcel.verify.request import VerifyRequest

if TYPE_CHECKING:
    from kubeparcel.config.settings import Settings

Files: TypeAlias = tuple[tuple[str, str], ...]
"""Package files: their names and SHA-256 digests."""


@dataclass(frozen=True)
class LevelUnit:
    """Runs a level on the hosts of a request, by default on those that the worker has; the result is the report.

    `files` are the packages under test, the previous ones, and those in the other layout.
    """

    level: str
    request: VerifyRequest
    files: tuple[Files, Files, Files]
    arch: Arch
    label: str
    weight: float = 1
    resource: Resource = Resource.PRIVILEGED

    @property
    def key(self) -> str:
        return self.label

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(sha256 for files in self.files for _, sha256 in files))

    def cached(self, store: Store) -> None:
        return None

    def run(self, store: Store, log: Log) -> Report:
        if self.arch is not Arch.native():
            raise EngineUnavailable(f"The packages are for {self.arch}, and this machine is {Arch.native()}.")
        level = next(level for level in HOST_LEVELS if level.name == self.level)
        with open_local_hosts(self.request, store, log) as hosts, self._token.on_cancel(hosts.session.stop):
            self._require_hosts(hosts.session)
            try:
                packages = self._packages(store, hosts.folder)
                report = hosts.run(level, packages, self.request.hosts, self.request.only)
            except KeyboardInterrupt:  # how a session that was stopped ends
                raise Cancelled from None
            self._token.raise_if_cancelled()
        return replace(report, environment=f"{report.environment} on {socket.gethostname()}")

    def cancel(self) -> None:
        """End the level; its containers are removed."""
        self._token.cancel()

    @functools.cached_property
    def _token(self) -> CancelToken:
        return CancelToken()

    def _require_hosts(self, session: Session) -> None:
        """Raise EngineUnavailable for a host that this machine cannot run; another one may."""
        for name in self.request.hosts:
            host = load_hosts().get(name)
            if reason := selection.unavailable_reason(host, session.engine, session.locations):
                raise EngineUnavailable(f"{name}: {reason}.")

    def _packages(self, store: Store, folder: Path) -> LevelPackages:
        store.verify({sha256: name for files in self.files for name, sha256 in files})
        links: list[list[Path]] = []
        for number, files in enumerate(self.files):
            place = folder / f"files-{number}"
            place.mkdir()
            links.append([place / Path(name).name for name, _ in files])
            for link, (_, sha256) in zip(links[-1], files, strict=True):
                link.symlink_to(store.path(sha256))
        return LevelPackages.of(folder, *links)


class WorkerHosts:
    """Hosts of workers."""

    def __init__(self, request: VerifyRequest, submit: Submit, store: Store, folder: Path, log: Log) -> None:
        self._request, self._submit, self._log = request, submit, log
        self.store, self.folder = store, folder

    def run(
        self, level: HostLevel[Any], packages: LevelPackages, names: Sequence[str], only: Sequence[str] = ()
    ) -> Report:
        started = time.monotonic()
        futures: list[Future[Report]] = [self._submit(unit) for unit in self._units(level, packages, names)]
        label = level.name.capitalize()
        with self._log.task(label, "on workers", len(futures), "hosts") as task:
            for future in as_completed(futures):
                self._log.info(label, _summary(future.result()))
                task.advance()
        reports = [future.result() for future in futures]
        return Report(
            level.name,
            tuple(check for report in reports for check in report.checks),
            time.monotonic() - started,
            environment="; ".join(dict.fromkeys(report.environment for report in reports)),
        )

    def _units(self, level: HostLevel[Any], packages: LevelPackages, names: Sequence[str]) -> Iterator[LevelUnit]:
        formats = packages.packages.formats
        hosts = selection.named_hosts(names, level.name) or selection.default_hosts(level.name, formats)
        for host in hosts:
            packages.packages.require(host)
        groups = [hosts] if level.together else [(host,) for host in hosts]
        for group in groups:
            own_formats = {host.format for host in group}
            yield LevelUnit(
                level.name,
                replace(self._request, paths=(), previous=(), hosts=tuple(host.name for host in group if names)),
                (
                    self._files(packages.packages, own_formats),
                    self._files(packages.previous, own_formats),
                    self._files(packages.other_layout, own_formats),
                ),
                Arch.native(),
                f"{level.name} {'+'.join(host.name if names else str(host.format) for host in group)}",
            )

    def _files(self, sets: PackageSets, formats: Collection[Format]) -> Files:
        """Return the package files of some formats, which are in the store afterwards."""
        chosen = [packages for format_ in sorted(formats) if (packages := sets.get(format_))]
        files = [
            (packages.folder / name, sha256)
            for packages in chosen
            for name, sha256 in zip(packages.files, packages.digests, strict=True)
        ]
        for file, sha256 in files:
            if not self.store.has(sha256):
                with self.store.scratch() as folder:
                    copy = folder / file.name
                    shutil.copyfile(file, copy)
                    self.store.add(copy, sha256, file.name)
        return tuple((file.name, sha256) for file, sha256 in files)


def worker_hosts(settings: Settings, request: VerifyRequest, log: Log) -> AbstractContextManager[Hosts] | None:
    """Return the hosts of the settings' workers, as a context; None if hosts are containers of this machine.

    Raises UsageError for `keep`.
    """
    if not settings.workers or settings.workers.startswith(LOCAL_WORKERS):
        return None
    if request.keep:
        raise UsageError(
            f"--keep: hosts on the workers of {settings.workers} are not kept.",
            "To keep containers, run them on this machine: --workers dask:local:1",
        )
    return _open(settings, request, log)


@contextmanager
def _open(settings: Settings, request: VerifyRequest, log: Log) -> Iterator[WorkerHosts]:
    store = open_build_store(settings, log)
    resources = frozenset({Resource.PRIVILEGED})
    with (
        store.scratch() as folder,
        LocalWorkers(store, log) as local,
        open_workers(settings, store, local.submit, log, resources) as submit,
    ):
        yield WorkerHosts(request, submit, store, folder, log)


def _summary(report: Report) -> str:
    """Return the line about a unit that has ended, with the names of checks that failed."""
    ran = [check for check in report.checks if not check.not_run]
    count, failed = quantity(len(ran), "checks"), [check.name for check in report.failed]
    outcome = f"{len(failed)} of {count} failed: {', '.join(failed)}" if failed else count
    return f"{report.environment} · {outcome} · {duration(report.seconds)}"
