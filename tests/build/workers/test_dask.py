"""Builds on a Dask scheduler with real worker processes, and what they survive."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kubeparcel.build.workers import dask_client, dask_workers
from kubeparcel.build.workers.dask_client import Connection
from kubeparcel.build.workers.dask_workers import DaskWorkers
from kubeparcel.build.workers.units import FetchUnit, Resource
from kubeparcel.config.component_models import ComponentSpec
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError, DigestError, ExternalError, ToolError, Unreachable
from kubeparcel.record_key import VARIABLE
from kubeparcel.repository.storage.factory import open_remote
from kubeparcel.repository.storage.remotes import FolderRemote
from kubeparcel.shared_store import Remote, SharedStore
from tests.support import one_release
from tests.support.dask_cluster import SECRET, Cluster, certificates, stop, wait_for_workers
from tests.support.dask_units import TextUnit
from tests.support.fake_sources import replace_sources
from tests.support.recording_log import RecordingLog
from tests.support.waiting import TIMEOUT, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

OPTIONS = {"kubernetes": "1.36.3", "compression": "fast"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with the workers `one` and `two`."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start_scheduler()
        for name in ("one", "two"):
            cluster.start_worker(name)
        wait_for_workers(cluster.address, {"one", "two"})
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)


@contextmanager
def connected(cluster: Cluster, log: RecordingLog, folder: Path) -> Iterator[tuple[DaskWorkers, SharedStore]]:
    """Connect to the cluster with an own store; the units that only this machine can do fail."""
    store = SharedStore(folder / "cache", Remote(open_remote(str(cluster.remote), folder), log, lookup_only=True))

    def local(unit: object) -> None:
        raise AssertionError(f"{unit} was done locally")

    with DaskWorkers(Connection(cluster.address), frozenset(Resource), store, local, log) as workers:
        yield workers, store


def build(out: str, log: RecordingLog, **options: str) -> str:
    """Build the fake release with a cache of its own, and return SHA256SUMS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBEPARCEL_CACHE", str(Path.cwd() / f"cache-{out}"))
        replace_sources(patch)
        assert one_release.build(load_settings({**OPTIONS, "out": out, **options}), log).exit_code == 0
    return (Path.cwd() / out / "SHA256SUMS").read_text()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA256SUMS of a build in threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBEPARCEL_CONFIG", str(tmp_path_factory.mktemp("config")))
        patch.chdir(tmp_path_factory.mktemp("local"))
        return build("dist", RecordingLog())


def test_workers_make_the_same_bytes_as_a_local_build(cluster, expected, workdir, log):
    options = {"workers": f"dask:{cluster.address}", "cache_remote": str(cluster.remote)}
    assert build("dist", log, **options) == expected
    assert log.warnings == []
    assert ("Workers", f"2 at {cluster.address}") in log.messages
    assert build("again", log, **options) == expected


def test_processes_of_this_machine_make_the_same_bytes(expected, workdir, log):
    assert build("dist", log, workers="dask:local:2") == expected
    assert log.warnings == []


def test_worker_that_sends_other_bytes_is_found_and_the_package_is_made_here(cluster, expected, workdir, log):
    liar = """
from kubeparcel.repository.storage.remotes import FolderRemote
from kubeparcel.shared_store import Remote
def lie(self, path, source, upload=Remote.upload):
    other = source.with_name("other")
    other.write_bytes(source.read_bytes() + b"lie")
    upload(self, path, other if path.startswith("sha256") else source)
if Remote.upload.__name__ != "lie":  # Dask runs this file twice
    Remote.upload = lie
"""
    cluster.remote.rename(cluster.remote.with_name("before"))  # else everything is there
    cluster.remote.mkdir()
    with cluster.worker("liar", preload=liar, resources="go=0"):
        wait_for_workers(cluster.address, {"one", "two", "liar"})
        sums = build("dist", log, workers=f"dask:{cluster.address}", cache_remote=str(cluster.remote))
    assert sums == expected
    assert any("Worker liar: the bytes of" in warning for warning in log.warnings), log.warnings


COMPILER = """
import pytest
from kubeparcel.build.workers import dask_worker
from tests.support.fake_sources import FakeModules, replace_sources
replace_sources(pytest.MonkeyPatch())
dask_worker._require_go = lambda: None
"""
OTHER_BYTES = """
from kubeparcel.shared_store import Remote
def lie(self, path, source, upload=Remote.upload):
    other = source.with_name("other")
    other.write_bytes(source.read_bytes() + b"lie")
    upload(self, path, other if source.read_bytes().startswith(b"\x7fELF") else source)
if Remote.upload.__name__ != "lie":  # Dask runs this file twice
    Remote.upload = lie
"""
MISSING_BYTES = """
FakeModules.fetch = lambda self, artifacts, *_: {artifacts[0].component: dict.fromkeys(self.binaries, "0" * 64)}
dask_worker.cache_programs = lambda *_: None
"""


def test_compilers_that_lie_are_named_and_their_binaries_are_made_here(workdir, log):
    expected = build("dist", log, source="go")
    for number, lie in enumerate((OTHER_BYTES, MISSING_BYTES)):
        cluster = Cluster(workdir / f"cluster-{number}")
        try:
            cluster.start_scheduler()
            cluster.start_worker("liar", preload=COMPILER + lie)
            cluster.start_worker("honest", resources="go=0")
            wait_for_workers(cluster.address, {"liar", "honest"})
            options = {"workers": f"dask:{cluster.address}", "cache_remote": str(cluster.remote), "source": "go"}
            log.warnings.clear()
            assert build(f"remote-{number}", log, **options) == expected
            assert any(warning.startswith("Worker liar: the bytes of ") for warning in log.warnings), log.warnings
            # another machine, when nobody knows any longer who it was
            assert build(f"again-{number}", log, **options) == expected
        finally:
            cluster.close()


def test_worker_of_another_version_is_named_and_not_used(cluster, workdir, log, tmp_path):
    preload = "import kubeparcel; kubeparcel.__version__ = '0.0.9'"
    with cluster.worker("old", preload=preload) as old:
        wait_for_workers(cluster.address, {"one", "two", "old"})
        with connected(cluster, log, tmp_path) as (workers, _):
            futures = [workers.submit(TextUnit(f"version {number}", seconds=0.05)) for number in range(9)]
            processes = {future.result(TIMEOUT)[1] for future in futures}
    assert old.pid not in processes
    assert log.warnings == ["Worker old is not used: kubeparcel 0.0.9 instead of 0.1.0"]


def test_unit_is_done_again_when_its_worker_is_killed(cluster, log, tmp_path):
    with ExitStack() as stack:
        victim = stack.enter_context(cluster.worker("victim"))
        wait_for_workers(cluster.address, {"one", "two", "victim"})
        workers, store = stack.enter_context(connected(cluster, log, tmp_path))
        futures = [workers.submit(TextUnit(f"killed {number}", seconds=0.3)) for number in range(9)]
        assert wait_until(lambda: any(future.done() for future in futures))
        victim.send_signal(signal.SIGKILL)
        results = [future.result(TIMEOUT) for future in futures]
    assert all(store.has(sha256) for sha256, _ in results)


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


def test_errors_of_units_are_not_retried(cluster, log, tmp_path):
    with connected(cluster, log, tmp_path) as (workers, _):
        for error in (ToolError, DigestError):
            with pytest.raises(error, match="failed in"):
                workers.submit(TextUnit(f"failing {error.__name__}", error=error)).result(TIMEOUT)


def test_units_are_done_again_after_the_scheduler_was_restarted(tmp_path, log):
    cluster = Cluster(tmp_path / "cluster")
    with ExitStack() as stack:
        stack.callback(cluster.close)
        scheduler = cluster.start_scheduler()
        cluster.start_worker("one", restart=True)
        wait_for_workers(cluster.address, {"one"})
        workers, store = stack.enter_context(connected(cluster, log, tmp_path))
        futures = [workers.submit(TextUnit(f"restart {number}", seconds=0.2)) for number in range(6)]
        assert wait_until(futures[0].done)
        stop(scheduler)
        cluster.start_scheduler()
        results = [future.result(TIMEOUT) for future in futures]
    assert all(store.has(sha256) for sha256, _ in results)
    assert log.warnings[0] == f"The scheduler {cluster.address} was lost: waiting for it."


def test_build_ends_when_the_scheduler_does_not_return(tmp_path, log, monkeypatch):
    cluster = Cluster(tmp_path / "cluster")
    try:
        scheduler = cluster.start_scheduler()
        cluster.start_worker("one")
        wait_for_workers(cluster.address, {"one"})
        with connected(cluster, log, tmp_path) as (workers, _):
            monkeypatch.setattr(dask_client, "RETURN_TIMEOUT", 0)
            monkeypatch.setattr(dask_client, "ANSWER_TIMEOUT", 1)
            futures = [workers.submit(TextUnit(f"lost {number}", seconds=1)) for number in range(12)]
            stop(scheduler)
            for future in futures:
                with pytest.raises(Unreachable, match="no Dask scheduler answers"):
                    future.result(TIMEOUT)
    finally:
        cluster.close()


def test_remote_that_may_only_be_read_cannot_serve_workers(cluster, log, tmp_path, monkeypatch):
    def refuse(self, path, source):
        raise ExternalError("s3://cache: access denied (HTTP 401 or 403).")

    monkeypatch.setattr(FolderRemote, "create", refuse)
    with connected(cluster, log, tmp_path) as (workers, store):
        unit = TextUnit("reader", inputs=(store.add_bytes(b"input"),))
        with pytest.raises(ExternalError, match="remote cache, which cannot be used: s3://cache: access denied"):
            workers.submit(unit).result(TIMEOUT)


def test_worker_with_a_full_disk_is_named_and_not_used(cluster, log, tmp_path):
    if os.geteuid():
        pytest.skip("needs root, to mount a small file system")
    disk = cluster.folder / "cache-small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=True)
    try:
        with cluster.worker("small"):
            wait_for_workers(cluster.address, {"one", "two", "small"})
            with connected(cluster, log, tmp_path) as (workers, store):
                labels = [f"{number} {'x' * 20_000}" for number in range(9)]
                futures = [workers.submit(TextUnit(label, seconds=0.1)) for label in labels]
                assert all(store.has(future.result(TIMEOUT)[0]) for future in futures)
    finally:
        subprocess.run(["umount", disk], check=True)
    (warning,) = log.warnings
    assert warning.startswith("Worker small is not used: ")
    assert "No space left on device" in warning


def test_worker_that_cannot_reach_the_remote_is_named_and_not_used(cluster, log, tmp_path):
    with cluster.worker("unmounted", environment={"KUBEPARCEL_CACHE_REMOTE": str(tmp_path / "missing")}):
        wait_for_workers(cluster.address, {"one", "two", "unmounted"})
        with connected(cluster, log, tmp_path) as (workers, store):
            futures = [workers.submit(TextUnit(f"mount {number}", seconds=0.1)) for number in range(9)]
            assert all(store.has(future.result(TIMEOUT)[0]) for future in futures)
    assert log.warnings == [f"Worker unmounted is not used: The remote cache {tmp_path}/missing does not exist."]


def test_units_are_compiled_where_go_is_installed(cluster, log, tmp_path):
    without = {"PATH": str(tmp_path), "PIP_NO_INDEX": "1"}
    with cluster.worker("without", environment=without):
        wait_for_workers(cluster.address, {"one", "two", "without"})
        with connected(cluster, log, tmp_path) as (workers, _):
            units = [TextUnit(f"compiled {number}", Resource.GO, seconds=0.2) for number in range(6)]
            for future in [workers.submit(unit) for unit in units]:
                future.result(TIMEOUT)
    (warning,) = log.warnings
    assert warning.startswith("Worker without is not used for go units: Go is not installed")


def test_trees_are_compiled_where_they_are(cluster, log, tmp_path):
    with connected(cluster, log, tmp_path) as (workers, _), pytest.raises(AssertionError, match="was done locally"):
        workers.submit(FetchUnit((), ComponentSpec(), "go", tree=str(tmp_path)))


def test_build_without_workers_for_a_unit_ends_with_what_to_start(tmp_path, log, monkeypatch):
    monkeypatch.setattr(dask_workers, "RETURN_TIMEOUT", 2)
    cluster = Cluster(tmp_path / "cluster")
    try:
        cluster.start_scheduler()
        with connected(cluster, log, tmp_path) as (workers, _):
            needed = {Resource.GO: "Go", Resource.PRIVILEGED: "podman or docker"}
            futures = {resource: workers.submit(TextUnit("kubelet", resource)) for resource in needed}
            errors = {resource: str(future.exception(TIMEOUT)) for resource, future in futures.items()}
    finally:
        cluster.close()
    assert errors == {
        resource: f"kubelet: no worker for {resource} units appeared at {cluster.address} for 2 s.\n"
        f"  Start one on a machine with {program}: dask worker {cluster.address} --nthreads 1 --resources {resource}=1"
        for resource, program in needed.items()
    }


def test_scheduler_with_tls_accepts_clients_with_its_certificates(workdir, expected, log, monkeypatch):
    cluster = Cluster(workdir / "cluster", "tls", certificates(workdir / "tls"))
    options = {"workers": f"dask:{cluster.address}", "cache_remote": str(cluster.remote)}
    try:
        cluster.start_scheduler()
        cluster.start_worker("one")
        with monkeypatch.context() as patch:  # the scheduler is only starting
            patch.setattr(dask_client, "ANSWER_TIMEOUT", TIMEOUT)
            assert build("dist", log, **options, workers_tls="tls") == expected
        with pytest.raises(Unreachable, match="needs --workers-tls"):
            build("again", log, **options)
        (workdir / "tls/tls.key").unlink()
        with pytest.raises(ConfigurationError, match=r"--workers-tls: .*/tls has no tls\.key"):
            build("again", log, **options, workers_tls="tls")
    finally:
        cluster.close()


def test_scheduler_that_does_not_answer_is_an_error_within_seconds(workdir, log, monkeypatch):
    monkeypatch.setattr(dask_client, "ANSWER_TIMEOUT", 0.5)
    (workdir / "remote").mkdir()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match=re.escape(f"no Dask scheduler answers at {address}")):
            build("dist", log, workers=f"dask:{address}", cache_remote="remote")


def test_workers_elsewhere_need_a_remote_cache(workdir, log):
    with pytest.raises(ConfigurationError, match=re.escape("dask:tcp://127.0.0.1:1: workers on other")):
        build("dist", log, workers="dask:tcp://127.0.0.1:1")
