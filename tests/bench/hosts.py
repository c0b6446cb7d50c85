"""Measure the levels on hosts with the real packages: their time, and the memory of a cluster.

The images of hosts and control planes are built before the measurement starts, except for the
figure of the first image.
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
from kubeparcel.hosts import catalog, systemd_node
from kubeparcel.hosts.base_images import ImageSpec, build_image, ensure_image
from kubeparcel.hosts.catalog import Host, Purpose
from kubeparcel.hosts.cleanup import RUN_LABEL
from kubeparcel.hosts.engine import ResourceKind
from kubeparcel.hosts.package_set import PackageSet, load_package_sets
from kubeparcel.hosts.session import Session, open_session
from kubeparcel.images import control_plane
from kubeparcel.images.node_image import NodeImage, ensure_node_image, write_node_archive
from kubeparcel.model import Version
from kubeparcel.packages.find import find_package_files
from kubeparcel.packages.reader import read_packages
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
EARLIER = "1.36.1"


def verify_levels(ground: Ground, scratch: Path) -> Iterator[Figure]:
    """Measure every level on one deb host and one rpm host."""
    dist = ground.folder / "dist"
    argv = [sys.executable, "-m", "kubeparcel", "verify", "--level", "layout"]
    yield _within("layout", "ten packages", min(timed(argv, ground.folder) for _ in range(3)), 3)
    with open_session(Store(paths.cache_dir()), QuietLog()) as session:
        hosts = [catalog.load_hosts().get(name) for name in NAMES]
        for host in hosts:
            for purpose in Purpose:
                ensure_image(session, host, purpose)
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
    """Build the packages of an earlier revision and of the other layout."""
    previous = PreviousRevision(settings.load_settings({}, ground.folder), QuietLog())
    packages = read_packages(find_package_files([ground.folder / "dist"]))
    return previous.build(packages, folder / "earlier"), previous.build_other_layout(packages, folder / "other")


def _clusters(
    session: Session, hosts: Sequence[Host], sets: Sequence[PackageSet], ground: Ground, scratch: Path
) -> Iterator[Figure]:
    """Measure a new cluster, an upgraded one, and the memory of both machines together."""
    site = scratch / "before"
    site.mkdir()
    timed([*PROGRAM, "build", "--kubernetes", EARLIER, "--source", "go"], site)
    old = load_package_sets(find_package_files([site / "dist"]), scratch / "old")
    for host, packages in zip(hosts, sets, strict=True):
        ensure_node_image(session, host, packages)
        ensure_node_image(session, host, old[host.format])
    run = LevelRun.create(session, [ground.folder / "dist"], [site / "dist"])
    _archives(session, hosts[0], sets[0], old[hosts[0].format])
    with _measure_peak_memory(session) as peak:
        report = _passed(run_level(cluster.LEVEL, run, hosts, only=["cluster"]))
        yield _within("cluster", "init, join, pods, reset, purge", report.seconds, 120)
        both = report.seconds
        report = _passed(run_level(cluster.LEVEL, run, hosts, only=["upgrade"]))
        both += report.seconds
    what = f"the same, and an upgrade from {EARLIER} ({report.seconds:.1f} s)"
    yield _within("cluster", what, both, 300)
    shown = f"{peak.bytes / 1e9:.1f} GB"
    yield Figure("cluster", "memory of both machines", shown, "≤ 4 GB", 0 < peak.bytes <= 4e9)


def _archives(session: Session, host: Host, *sets: PackageSet) -> None:
    """Build the control plane images of each set, so that the clusters find them in the store."""
    for packages in sets:
        image = ensure_node_image(session, host, packages)
        with systemd_node.start_node(session, host, "images", image=image) as node:
            version = Version.parse(packages.versions["kubeadm"].rpartition("-")[0])
            argv = ("kubeadm", "config", "images", "list", f"--kubernetes-version=v{version}")
            image_names = node.run(*argv).stdout.split()
        control_plane.build_archive(
            version, image_names, session.store, session.log, engine=session.engine, locations=session.locations
        )


def _first_image(session: Session, host: Host, packages: PackageSet, scratch: Path) -> Figure:
    """Measure the archive of a node whose base image must be built from a Debian archive first."""
    spec = ImageSpec.for_host(host, Purpose.NODE, session.locations)
    unique_script = f"{spec.setup_script}\n# {secrets.token_hex(8)}\n"
    spec = dataclasses.replace(spec, setup_script=unique_script)
    started = time.monotonic()
    try:
        build_image(session, spec)
        image = NodeImage(host, packages, spec.name)
        write_node_archive(session, image, scratch, scratch / "node.tar")
        seconds = time.monotonic() - started
    finally:
        session.engine.remove_image(spec.name)
    return _within("first image", f"{host.name} and the packages, no registry", seconds, 120)


@dataclasses.dataclass
class _PeakMemory:
    """The most memory that all containers of a session used at one time, in bytes."""

    bytes: int = 0


@contextmanager
def _measure_peak_memory(session: Session) -> Iterator[_PeakMemory]:
    """Measure every half second until the block ends."""
    peak, stopped = _PeakMemory(), threading.Event()

    def measure() -> None:
        while not stopped.wait(0.5):
            with suppress(ToolError, OSError, ValueError):  # a container that is just being removed
                resources = session.engine.list_labeled(f"{RUN_LABEL}={session.run_id}")
                names = [r.name for r in resources if r.kind is ResourceKind.CONTAINER]
                peak.bytes = max(peak.bytes, sum(_memory(session, name) for name in names))

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield peak
    finally:
        stopped.set()
        thread.join()


def _memory(session: Session, container: str) -> int:
    """Return the memory of a container's processes that the kernel cannot reclaim, in bytes."""
    state = session.engine.inspect(container)
    lines = Path(f"/proc/{state['State']['Pid']}/cgroup").read_text("ascii").splitlines()
    cgroups = {line.split(":")[1]: line.split(":")[2] for line in lines}
    cgroup_v1 = cgroups.get("memory")
    root = Path("/sys/fs/cgroup") / ("memory" if cgroup_v1 else "")
    folder = root / (cgroup_v1 or cgroups[""]).strip("/")
    while state["Id"] in folder.parent.name:
        folder = folder.parent
    stat = dict(line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
    names = ("total_rss", "total_shmem") if cgroup_v1 else ("anon", "shmem")
    return sum(int(stat.get(name, 0)) for name in names)
