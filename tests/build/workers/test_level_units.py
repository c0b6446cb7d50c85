"""Levels on the hosts of workers: real processes, a level and an engine of this folder's own."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.build.workers.level_units import LevelUnit, WorkerHosts, worker_hosts
from kubeparcel.config.settings import load_settings
from kubeparcel.console import QuietLog
from kubeparcel.errors import DigestError, UsageError
from kubeparcel.files import sha256_of
from kubeparcel.hosts.engine import EngineUnavailable
from kubeparcel.model import Arch
from kubeparcel.reports.results import Report
from kubeparcel.store import Store
from kubeparcel.verify.host_levels import open_local_hosts
from kubeparcel.verify.level_packages import LevelPackages
from kubeparcel.verify.request import VerifyRequest
from tests.support.dask_cluster import Cluster
from tests.support.level_stand_in import LEVEL, PRELOAD, engine
from tests.support.package_builders import deb, rpm
from tests.support.recording_log import RecordingLog
from tests.support.waiting import TIMEOUT, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

NAMES = ("trixie", "debian-13", "bookworm")


def privileged(cluster: Cluster, name: str) -> dict[str, Any]:
    """Return the options of a worker with the engine."""
    environment = engine(cluster.folder / "engine", cluster.folder / "containers" / name)
    return {"resources": "privileged=1", "environment": environment, "preload": PRELOAD}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.start_scheduler()
        for name in ("one", "two"):
            cluster.start_worker(name, **privileged(cluster, name))
        cluster.wait()
        yield cluster


@pytest.fixture
def gate(cluster: Cluster) -> Iterator[Path]:
    """A file that keeps scenarios from ending."""
    file = cluster.folder / "gate"
    file.touch()
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def dist(workdir: Path) -> Path:
    deb(workdir / "dist", "kubectl", "1.36.3-1", body=b"kubectl")
    deb(workdir / "dist", "kubelet", "1.36.3-1", arch="all", body=b"kubelet")
    return workdir / "dist"


def hosts_of(cluster: Cluster, log: RecordingLog, *, keep: bool = False) -> AbstractContextManager[WorkerHosts]:
    settings = load_settings({"workers": f"dask:{cluster.address}", "cache_remote": str(cluster.remote)})
    return worker_hosts(settings, VerifyRequest("install", (), keep=keep), log)


def packages_in(folder: Path) -> LevelPackages:
    return LevelPackages.of(folder / "sets", [Path("dist")], [], [])


def start(hosts: WorkerHosts, names: Sequence[str] = NAMES) -> list[Future[Report]]:
    """Start the level on hosts without waiting for it."""
    return [hosts._submit(unit) for unit in hosts._units(LEVEL, packages_in(hosts.folder), names)]


def containers(cluster: Cluster, *workers: str) -> list[Path]:
    return [file for name in workers for file in cluster.folder.glob(f"containers/{name}/*-stand-in-*")]


@pytest.mark.parametrize("names", [(), ("trixie", "bookworm")])
def test_results_of_workers_are_those_of_a_local_run(cluster, workdir, log, monkeypatch, names):
    with hosts_of(cluster, log) as hosts:
        report = hosts.run(LEVEL, packages_in(hosts.folder), names)
    assert log.warnings == []
    for name, value in engine(workdir / "engine", workdir / "containers").items():
        monkeypatch.setenv(name, value)
    with open_local_hosts(VerifyRequest("install", ()), Store(workdir / "cache"), QuietLog()) as local:
        expected = local.run(LEVEL, packages_in(local.folder), names)
    assert [replace(check, seconds=0) for check in report.checks] == [
        replace(check, seconds=0) for check in expected.checks
    ]
    sums = [f"{sha256_of(file)}  {file.name}" for file in sorted(workdir.glob("dist/*"))]
    assert report.checks[0].evidence == {'cd "$1"; sha256sum -- *': "\n".join(sums)}
    finished = [text for label, text in log.messages if label == "Install"]
    expected_text = r"\w+ \(deb\) · podman 9\.9 on \S+ · 1 of 3 checks failed: fail · .*"
    assert all(re.fullmatch(expected_text, text) for text in finished), finished
    assert len(finished) == max(len(names), 1)


def test_worker_without_an_engine_is_named_and_not_used(cluster, workdir, log, gate):
    bare = {"resources": "privileged=1", "environment": {"PATH": str(workdir)}, "preload": PRELOAD}
    with cluster.worker("bare", **bare), hosts_of(cluster, log) as hosts:
        futures = start(hosts)
        assert wait_until(lambda: log.warnings)
        gate.unlink()
        assert {check.host for future in futures for check in future.result(TIMEOUT).checks} == {*NAMES}
    (warning,) = log.warnings
    assert warning.startswith("Worker bare is not used: No usable container engine; ")
    assert "podman is not installed" in warning


def test_level_runs_again_when_its_worker_is_killed(cluster, log, gate):
    with cluster.worker("victim", **privileged(cluster, "victim")) as victim, hosts_of(cluster, log) as hosts:
        futures = start(hosts)
        assert wait_until(lambda: containers(cluster, "victim"))
        victim.send_signal(signal.SIGKILL)
        gate.unlink()
        assert {check.host for future in futures for check in future.result(TIMEOUT).checks} == {*NAMES}


def test_containers_are_removed_when_the_run_is_interrupted(cluster, log, gate):
    with hosts_of(cluster, log) as hosts:
        start(hosts, NAMES[:2])
        assert wait_until(lambda: len(containers(cluster, "one", "two")) == 2)
    assert wait_until(lambda: not containers(cluster, "one", "two"))
    gate.unlink()
    with hosts_of(cluster, log) as hosts:
        assert len(hosts.run(LEVEL, packages_in(hosts.folder), NAMES[:2]).checks) == 6


def test_package_with_other_bytes_in_the_remote_is_an_error_that_names_it(cluster, dist, log):
    file = deb(dist, "kubeadm", "1.36.3-1", body=b"kubeadm")
    sha256 = sha256_of(file)
    forged = cluster.remote / "sha256" / sha256[:2] / sha256
    forged.parent.mkdir(parents=True, exist_ok=True)
    forged.write_bytes(b"other")
    with hosts_of(cluster, log) as hosts, pytest.raises(DigestError, match=r"kubeadm_1\.36\.3-1_amd64\.deb"):
        hosts.run(LEVEL, packages_in(hosts.folder), ["trixie"])
    assert any(f"{forged}: its sha256 is" in warning for warning in log.warnings), log.warnings


@pytest.mark.parametrize(
    ("together", "names", "expected"),
    [
        (False, (), {"install deb": (), "install rpm": ()}),
        (True, (), {"install deb+rpm": ()}),
        (True, ("trixie", "trixie-dnf"), {"install trixie+trixie-dnf": ("trixie", "trixie-dnf")}),
    ],
)
def test_hosts_of_one_scenario_are_one_unit(dist, tmp_path, log, together, names, expected):
    rpm(dist, "kubelet", "1.36.3-1")
    hosts = WorkerHosts(VerifyRequest("install", (dist,), names), Future, Store(tmp_path / "store"), tmp_path, log)
    units = [*hosts._units(replace(LEVEL, together=together), packages_in(tmp_path), names)]
    assert {unit.label: unit.request.hosts for unit in units} == expected
    assert {unit.label: len(unit.inputs) for unit in units} == (
        {"install deb": 2, "install rpm": 1} if not together else dict.fromkeys(expected, 3)
    )


def test_packages_of_another_architecture_are_not_for_this_machine(tmp_path):
    other = next(arch for arch in Arch if arch is not Arch.native())
    unit = LevelUnit("install", VerifyRequest("install", ()), ((), (), ()), other, "install trixie")
    with pytest.raises(EngineUnavailable, match=f"The packages are for {other}"):
        unit.run(Store(tmp_path), QuietLog())


def test_containers_of_workers_are_not_kept(cluster, log):
    with pytest.raises(UsageError, match="--keep: hosts on the workers of dask:tcp"):
        hosts_of(cluster, log, keep=True)


@pytest.mark.parametrize("workers", ["", "dask:local:2"])
def test_without_other_machines_hosts_are_containers_of_this_one(workdir, log, workers):
    assert worker_hosts(load_settings({"workers": workers}), VerifyRequest("install", ()), log) is None
