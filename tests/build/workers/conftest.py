"""Fixtures: a cluster with two workers, and a function that connects to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from kubeparcel.build.workers.dask_client import Connection
from kubeparcel.build.workers.dask_workers import DaskWorkers
from kubeparcel.build.workers.units import Resource
from kubeparcel.record_key import VARIABLE
from kubeparcel.repository.storage.factory import open_remote
from kubeparcel.shared_store import Remote, SharedStore
from tests.support.dask_cluster import SECRET, Cluster
from tests.support.recording_log import RecordingLog


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with the workers `one` and `two`."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.start("one", "two")
        yield cluster


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)


@pytest.fixture
def connected(
    log: RecordingLog, tmp_path: Path
) -> Callable[[Cluster], AbstractContextManager[tuple[DaskWorkers, SharedStore]]]:
    """Return a function that connects to a cluster with an own store; units that only this machine can do fail."""

    @contextmanager
    def connect(cluster: Cluster) -> Iterator[tuple[DaskWorkers, SharedStore]]:
        remote = Remote(open_remote(str(cluster.remote), tmp_path), log, lookup_only=True)
        store = SharedStore(tmp_path / "cache", remote)

        def local(unit: object) -> None:
            raise AssertionError(f"{unit} was done locally")

        with DaskWorkers(Connection(cluster.address), frozenset(Resource), store, local, log) as workers:
            yield workers, store

    return connect
