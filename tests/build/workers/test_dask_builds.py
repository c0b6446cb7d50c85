"""Builds on a Dask scheduler with real worker processes: the bytes of a local build, whatever workers send."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from kubeparcel.build.workers import dask_client
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError, Unreachable
from tests.support import one_release
from tests.support.dask_cluster import Cluster, certificates
from tests.support.fake_sources import replace_sources
from tests.support.recording_log import RecordingLog
from tests.support.waiting import TIMEOUT

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

OPTIONS = {"kubernetes": "1.36.3", "compression": "fast"}


def build(out: str, log: RecordingLog, cluster: Cluster | None = None, **options: str) -> str:
    """Build the fake release with a cache of its own, on a cluster if there is one, and return SHA256SUMS."""
    remote = {"workers": f"dask:{cluster.address}", "cache_remote": str(cluster.remote)} if cluster else {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBEPARCEL_CACHE", str(Path.cwd() / f"cache-{out}"))
        replace_sources(patch)
        assert one_release.build(load_settings({**OPTIONS, "out": out, **remote, **options}), log).exit_code == 0
    return (Path.cwd() / out / "SHA256SUMS").read_text()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA256SUMS of a build in threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBEPARCEL_CONFIG", str(tmp_path_factory.mktemp("config")))
        patch.chdir(tmp_path_factory.mktemp("local"))
        return build("dist", RecordingLog())


def test_workers_make_the_same_bytes_as_a_local_build(cluster, expected, workdir, log):
    assert build("dist", log, cluster) == expected
    assert log.warnings == []
    assert ("Workers", f"2 at {cluster.address}") in log.messages
    assert build("again", log, cluster) == expected


def test_processes_of_this_machine_make_the_same_bytes(expected, workdir, log):
    assert build("dist", log, workers="dask:local:2") == expected
    assert log.warnings == []


LIE = """
from kubeparcel.shared_store import Remote
def lie(self, path, source, upload=Remote.upload):
    other = source.with_name("other")
    other.write_bytes(source.read_bytes() + b"lie")
    upload(self, path, other if {condition} else source)
if Remote.upload.__name__ != "lie":  # Dask runs this file twice
    Remote.upload = lie
"""
COMPILER = """
import pytest
from kubeparcel.build.workers import dask_worker
from tests.support.fake_sources import FakeModules, replace_sources
replace_sources(pytest.MonkeyPatch())
dask_worker._require_go = lambda: None
"""
OTHER_BYTES = LIE.format(condition=r'source.read_bytes().startswith(b"\x7fELF")')
MISSING_BYTES = """
FakeModules.fetch = lambda self, artifacts, *_: {artifacts[0].component: dict.fromkeys(self.binaries, "0" * 64)}
dask_worker.cache_programs = lambda *_: None
"""


def test_worker_that_sends_other_bytes_is_found_and_the_package_is_made_here(cluster, expected, workdir, log):
    cluster.remote.rename(cluster.remote.with_name("before"))  # else everything is there
    cluster.remote.mkdir()
    with cluster.worker("liar", preload=LIE.format(condition='path.startswith("sha256")'), resources="go=0"):
        assert build("dist", log, cluster) == expected
    assert any("Worker liar: the bytes of" in warning for warning in log.warnings), log.warnings


def test_compilers_that_lie_are_named_and_their_binaries_are_made_here(workdir, log):
    expected = build("dist", log, source="go")
    for number, lie in enumerate((OTHER_BYTES, MISSING_BYTES)):
        with Cluster(workdir / f"cluster-{number}") as cluster:
            cluster.start("honest", resources="go=0")
            with cluster.worker("liar", preload=COMPILER + lie):
                log.warnings.clear()
                assert build(f"remote-{number}", log, cluster, source="go") == expected
                assert any(warning.startswith("Worker liar: the bytes of ") for warning in log.warnings), log.warnings
                # on another machine, which has no record of the worker that made them
                assert build(f"again-{number}", log, cluster, source="go") == expected


def test_scheduler_with_tls_accepts_clients_with_its_certificates(workdir, expected, log, monkeypatch):
    with Cluster(workdir / "cluster", "tls", certificates(workdir / "tls")) as cluster:
        cluster.start_scheduler()
        cluster.start_worker("one")
        with monkeypatch.context() as patch:  # the scheduler is only starting
            patch.setattr(dask_client, "ANSWER_TIMEOUT", TIMEOUT)
            assert build("dist", log, cluster, workers_tls="tls") == expected
        with pytest.raises(Unreachable, match="needs --workers-tls"):
            build("again", log, cluster)
        (workdir / "tls/tls.key").unlink()
        with pytest.raises(ConfigurationError, match=r"--workers-tls: .*/tls has no tls\.key"):
            build("again", log, cluster, workers_tls="tls")


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
