"""The levels on hosts, with the real packages: how long each takes, and the memory of a cluster.

Images of hosts and of a control plane are there before the clock runs, but for the part whose point
is that they are not.
"""

from __future__ import annotations

import dataclasses
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kubeparcel import paths
from kubeparcel.build.previous_revision import PreviousRevision
from kubeparcel.config import settings
from kubeparcel.console import QuietLog
from kubeparcel.errors import ToolError
from kubeparcel.hosts import base_images, catalog, systemd_node
from kubeparcel.hosts.base_images import ImageSpec
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.cleanup import RUN_LABEL
from kubeparcel.hosts.engine import ResourceKind
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.session import Session, open_session
from kubeparcel.images import control_plane
from kubeparcel.images.node_image import NodeImage, ensure_node_image, write_node_archive
from kubeparcel.model import Version
from kubeparcel.packages.find import find_package_files
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Report
from kubeparcel.store import Store
from kubeparcel.verify.cluster import level as cluster
from kubeparcel.verify.install import level as install
from kubeparcel.verify.level_runner import LevelRun, run_level
from kubeparcel.verify.service import level as service
from tests.bench.figures import Figure, timed
from tests.bench.packages import PROGRAM, Ground

NAMES = ("trixie", "trixie-dnf")
BEFORE = "1.36.1"


def proved(ground: Ground, scratch: Path) -> Iterator[Figure]:
    """Every level on one deb host and one rpm host."""
    dist = ground.folder / "dist"
    argv = [sys.executable, "-m", "kubeparcel", "verify", "--level", "layout"]
    yield _within("layout", "ten packages", min(timed(argv, ground.folder) for _ in range(3)), 3)
    with open_session(Store(paths.cache_dir()), QuietLog()) as session:
        hosts = [catalog.load_hosts().get(name) for name in NAMES]
        for host in hosts:
            for purpose in Purpose:
                session.ensure_image(host, purpose)
        sets = load_package_sets(find_package_files([dist]), scratch / "sets")
        revision, other = _revision(ground, scratch / "revision")
        run = LevelRun.create(session, [dist], revision, other)
        report = _passed(run_level(install.LEVEL, run, hosts))
        yield _within("install", "one deb host and one rpm host", report.seconds, 90)
        for host in hosts:
            report = _passed(run_level(service.LEVEL, run, [host]))
            yield _within("service", host.name, report.seconds, 60)
        yield from _clusters(session, hosts, [sets[host.format] for host in hosts], ground, scratch)
        yield _first_image(session, hosts[0], sets[hosts[0].format], scratch)


def _within(part: str, what: str, seconds: float, limit: float) -> Figure:
    return Figure(part, what, f"{seconds:.1f} s", f"≤ {limit:g} s", seconds <= limit)


def _passed(report: Report) -> Report:
    if not report.passed:
        raise SystemExit(as_text([report]))
    return report


def _revision(ground: Ground, folder: Path) -> tuple[Sequence[Path], Sequence[Path]]:
    """The packages of an earlier revision, and those of the other layout."""
    chosen = settings.load_settings({}, ground.folder)
    return (
        PreviousRevision(chosen, QuietLog()).build(folder / "earlier"),
        PreviousRevision(chosen, QuietLog()).build_other_layout(folder / "other"),
    )


def _clusters(
    session: Session,
    hosts: Sequence[Host],
    sets: Sequence[PackageSet],
    ground: Ground,
    scratch: Path,
) -> Iterator[Figure]:
    """A new cluster, one that is upgraded, and the memory that both machines need at a time."""
    site = scratch / "before"
    site.mkdir()
    timed([*PROGRAM, "build", "--kubernetes", BEFORE, "--source", "go"], site)
    old = load_package_sets(find_package_files([site / "dist"]), scratch / "old")
    for host, packages in zip(hosts, sets, strict=True):
        ensure_node_image(session, host, packages)
        ensure_node_image(session, host, old[host.format])
    run = LevelRun.create(session, [ground.folder / "dist"], [site / "dist"])
    _archives(session, hosts[0], sets[0], old[hosts[0].format])
    with _peak(session) as peak:
        report = _passed(run_level(cluster.LEVEL, run, hosts, only=["cluster"]))
        yield _within("cluster", "init, join, pods, reset, purge", report.seconds, 120)
        both = report.seconds
        report = _passed(run_level(cluster.LEVEL, run, hosts, only=["upgrade"]))
        both += report.seconds
    what = f"the same, and an upgrade from {BEFORE} ({report.seconds:.1f} s)"
    yield _within("cluster", what, both, 300)
    shown = f"{peak.most / 1e9:.1f} GB"
    yield Figure("cluster", "memory of both machines", shown, "≤ 4 GB", 0 < peak.most <= 4e9)


def _archives(session: Session, plane: Host, *sets: PackageSet) -> None:
    """Images of both control planes are gathered, or compiled, before a cluster asks for them."""
    for packages in sets:
        with systemd_node.start_node(
            session, plane, "images", image=ensure_node_image(session, plane, packages)
        ) as box:
            version = Version.parse(packages.versions["kubeadm"].rpartition("-")[0])
            argv = ("kubeadm", "config", "images", "list", f"--kubernetes-version=v{version}")
            wanted = box.run(*argv).stdout.split()
        where = {"engine": session.engine, "places": session.locations}
        control_plane.build_archive(version, wanted, session.store, session.log, **where)


def _first_image(session: Session, host: Host, packages: PackageSet, scratch: Path) -> Figure:
    """A node's archive where the host is not there yet: made from a Debian archive."""
    known = ImageSpec.for_host(host, Purpose.NODE, session.locations)
    never = f"{known.setup_script}\n# {secrets.token_hex(8)}\n"
    below = dataclasses.replace(known, setup=never)
    shop = base_images.ImageBuildContext(
        session.engine, session.store, session.log, session.locations, session.folder
    )
    began = time.monotonic()
    try:
        base_images.build_image(shop, below)
        write_node_archive(
            session, NodeImage(host, packages, below.name), scratch, scratch / "node.tar"
        )
        seconds = time.monotonic() - began
    finally:
        session.engine.remove_image(below.name)
    return _within("first image", f"{host.name} and the packages, no registry", seconds, 120)


@dataclasses.dataclass
class _Peak:
    """The most memory that all containers of a session had at a time, in bytes."""

    most: int = 0


@contextmanager
def _peak(session: Session) -> Iterator[_Peak]:
    """Look every half second until the block ends."""
    found, done = _Peak(), threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            with suppress(ToolError, OSError, ValueError):  # one that is going just now
                boxes = session.engine.list_labelled(f"{RUN_LABEL}={session.run_id}")
                names = [row.name for row in boxes if row.kind is ResourceKind.CONTAINER]
                found.most = max(found.most, sum(_memory(session, name) for name in names))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def _memory(session: Session, container: str) -> int:
    """What a container's processes have for themselves: what the kernel could not take back."""
    state = session.engine.inspect(container)
    lines = Path(f"/proc/{state['State']['Pid']}/cgroup").read_text("ascii").splitlines()
    groups = {row.split(":")[1]: row.split(":")[2] for row in lines}
    old = groups.get("memory")
    root = Path("/sys/fs/cgroup") / ("memory" if old else "")
    folder = root / (old or groups[""]).strip("/")
    while state["Id"] in folder.parent.name:
        folder = folder.parent
    rows = dict(line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
    names = ("total_rss", "total_shmem") if old else ("anon", "shmem")
    return sum(int(rows.get(name, 0)) for name in names)
