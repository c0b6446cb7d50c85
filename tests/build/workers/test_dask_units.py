"""Units on real worker processes of a Dask scheduler: what they survive, and which workers are not used."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from typing import Any

import pytest

from kubeparcel.build.workers import dask_client, dask_workers
from kubeparcel.build.workers.dask_client import Connection
from kubeparcel.build.workers.dask_workers import DaskWorkers
from kubeparcel.build.workers.units import FetchUnit, Resource
from kubeparcel.config.component_models import ComponentSpec
from kubeparcel.errors import DigestError, ExternalError, ToolError, Unreachable
from kubeparcel.repository.storage.remotes import FolderRemote
from tests.support.dask_cluster import Cluster, stop
from tests.support.dask_units import EndlessUnit, TextUnit
from tests.support.waiting import TIMEOUT, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


def run_units(workers: DaskWorkers, label: str, **fields: Any) -> list[tuple[str, int]]:
    """Run nine units, and return the digest and the process of each."""
    units = [TextUnit(f"{number} {label}", **fields) for number in range(9)]
    return [future.result(TIMEOUT) for future in [workers.submit(unit) for unit in units]]


def test_worker_of_another_version_is_named_and_not_used(cluster, connected, log):
    preload = "import kubeparcel; kubeparcel.__version__ = '0.0.9'"
    with cluster.worker("old", preload=preload) as old, connected(cluster) as (workers, _):
        assert old.pid not in {process for _, process in run_units(workers, "version", seconds=0.05)}
    assert log.warnings == ["Worker old is not used: kubeparcel 0.0.9 instead of 0.1.0"]


def test_unit_is_done_again_when_its_worker_is_killed(cluster, connected):
    with cluster.worker("victim") as victim, connected(cluster) as (workers, store):
        futures = [workers.submit(TextUnit(f"killed {number}", seconds=0.3)) for number in range(9)]
        assert wait_until(lambda: any(future.done() for future in futures))
        victim.send_signal(signal.SIGKILL)
        assert all(store.has(future.result(TIMEOUT)[0]) for future in futures)


def test_workers_are_listed_while_dask_refreshes_its_own_list(cluster):
    connection = Connection(cluster.address)
    client, ended = connection.client(), threading.Event()

    def refresh() -> None:
        while not ended.is_set():
            client.sync(client._update_scheduler_info)

    thread = threading.Thread(target=refresh)
    thread.start()
    try:
        assert {len(connection.workers()) for _ in range(200)} == {2}
    finally:
        ended.set()
        thread.join()
        connection.close([])


def test_errors_of_units_are_not_retried(cluster, connected):
    with connected(cluster) as (workers, _):
        for error in (ToolError, DigestError):
            with pytest.raises(error, match="failed in"):
                workers.submit(TextUnit(f"failing {error.__name__}", error=error)).result(TIMEOUT)


def test_a_running_unit_is_cancelled_with_its_future(cluster, connected, tmp_path):
    with connected(cluster) as (workers, _):
        future = workers.submit(EndlessUnit(str(tmp_path)))
        assert wait_until((tmp_path / "started").exists)
        assert future.cancel()
        assert wait_until((tmp_path / "ended").exists, patience=30)


def test_units_are_done_again_after_the_scheduler_was_restarted(connected, tmp_path, log):
    with Cluster(tmp_path / "cluster") as cluster:
        scheduler = cluster.start("one", restart=True)
        with connected(cluster) as (workers, store):
            futures = [workers.submit(TextUnit(f"restart {number}", seconds=0.2)) for number in range(6)]
            assert wait_until(futures[0].done)
            stop(scheduler)
            cluster.start_scheduler()
            assert all(store.has(future.result(TIMEOUT)[0]) for future in futures)
    assert log.warnings[0] == f"The scheduler {cluster.address} was lost: waiting for it."


def test_build_ends_when_the_scheduler_does_not_return(connected, tmp_path, monkeypatch):
    with Cluster(tmp_path / "cluster") as cluster:
        scheduler = cluster.start("one")
        with connected(cluster) as (workers, _):
            monkeypatch.setattr(dask_client, "RETURN_TIMEOUT", 0)
            monkeypatch.setattr(dask_client, "ANSWER_TIMEOUT", 1)
            futures = [workers.submit(TextUnit(f"lost {number}", seconds=1)) for number in range(12)]
            stop(scheduler)
            for future in futures:
                with pytest.raises(Unreachable, match="no Dask scheduler answers"):
                    future.result(TIMEOUT)


def test_remote_that_may_only_be_read_cannot_serve_workers(cluster, connected, monkeypatch):
    def refuse(self, path, source):
        raise ExternalError("s3://cache: access denied (HTTP 401 or 403).")

    monkeypatch.setattr(FolderRemote, "create", refuse)
    with connected(cluster) as (workers, store):
        unit = TextUnit("reader", inputs=(store.add_bytes(b"input"),))
        with pytest.raises(ExternalError, match="remote cache, which cannot be used: s3://cache: access denied"):
            workers.submit(unit).result(TIMEOUT)


@pytest.mark.acceptance
def test_worker_with_a_full_disk_is_named_and_not_used(cluster, connected, log):
    if os.geteuid():
        pytest.skip("needs root, to mount a small file system")
    disk = cluster.folder / "cache-small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=True)
    try:
        with cluster.worker("small"), connected(cluster) as (workers, store):
            assert all(store.has(sha256) for sha256, _ in run_units(workers, "x" * 20_000, seconds=0.1))
    finally:
        subprocess.run(["umount", disk], check=True)
    (warning,) = log.warnings
    assert warning.startswith("Worker small is not used: ")
    assert "No space left on device" in warning


def test_worker_that_cannot_reach_the_remote_is_named_and_not_used(cluster, connected, log, tmp_path):
    elsewhere = {"KUBEPARCEL_CACHE_REMOTE": str(tmp_path / "missing")}
    with cluster.worker("unmounted", environment=elsewhere), connected(cluster) as (workers, store):
        assert all(store.has(sha256) for sha256, _ in run_units(workers, "mount", seconds=0.1))
    assert log.warnings == [f"Worker unmounted is not used: The remote cache {tmp_path}/missing does not exist."]


def test_units_are_compiled_where_go_is_installed(cluster, connected, log, tmp_path):
    without = {"PATH": str(tmp_path), "PIP_NO_INDEX": "1"}
    with cluster.worker("without", environment=without), connected(cluster) as (workers, _):
        run_units(workers, "compiled", seconds=0.2, resource=Resource.GO)
    (warning,) = log.warnings
    assert warning.startswith("Worker without is not used for go units: Go is not installed")


def test_trees_are_compiled_where_they_are(cluster, connected, tmp_path):
    with connected(cluster) as (workers, _), pytest.raises(AssertionError, match="was done locally"):
        workers.submit(FetchUnit((), ComponentSpec(), "go", tree=str(tmp_path)))


def test_build_without_workers_for_a_unit_ends_with_what_to_start(connected, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_workers, "RETURN_TIMEOUT", 2)
    with Cluster(tmp_path / "cluster") as cluster:
        cluster.start_scheduler()
        with connected(cluster) as (workers, _):
            needed = {Resource.GO: "Go", Resource.PRIVILEGED: "podman or docker"}
            futures = {resource: workers.submit(TextUnit("kubelet", resource)) for resource in needed}
            errors = {resource: str(future.exception(TIMEOUT)) for resource, future in futures.items()}
    assert errors == {
        resource: f"kubelet: no worker for {resource} units appeared at {cluster.address} for 2 s.\n"
        f"  Start one on a machine with {program}: dask worker {cluster.address} --nthreads 1 --resources {resource}=1"
        for resource, program in needed.items()
    }
