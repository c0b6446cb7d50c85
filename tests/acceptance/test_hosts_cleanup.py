"""Containers, networks and folders are removed after success, failure, Ctrl-C and SIGKILL."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeparcel import paths
from kubeparcel.console import PlainLog, QuietLog
from kubeparcel.errors import ToolError
from kubeparcel.hosts import catalog, cleanup
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.engine import ContainerSpec, Engine, ResourceKind, WaitTimeout
from kubeparcel.hosts.session import Session, open_session, run_parallel
from kubeparcel.store import Store
from tests.support.waiting import TIMEOUT, wait_until

TRIXIE = catalog.load_hosts().get("trixie")

RUNNING = """
import socket, sys
socket.gethostname = lambda: sys.argv[2]
from pathlib import Path
from kubeparcel.hosts import catalog
from kubeparcel.console import QuietLog
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.session import open_session, run_parallel
from kubeparcel.store import Store

host = catalog.load_hosts().get("trixie")
with open_session(Store(Path(sys.argv[1])), QuietLog()) as session:
    image = ensure_image(session, host)
    session.engine.create_network(f"kubeparcel-{session.run_id}", session.labels)

    def work(_):
        start = ContainerSpec(image, "test", volumes=("/var/lib/data",))
        with session.start_container(host, start) as container:
            print(session.run_id, flush=True)
            container.run("sleep", "600", timeout=600)

    run_parallel(session, work, 2)
"""


@pytest.fixture
def store(binaries_cache: Path) -> Store:
    return Store(binaries_cache)


@pytest.fixture
def session(engine, store) -> Iterator[Session]:
    with open_session(store, QuietLog()) as session:
        yield session


@pytest.fixture
def running(engine, store) -> Iterator[subprocess.Popen[str]]:
    """Another process of kubeparcel with two containers, two volumes and a network.

    It pretends to run on another machine, so that concurrent runs do not clean up after it.
    """
    host = f"elsewhere-{secrets.token_hex(4)}"
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNING, str(store.root), host],
        env={**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(2)]
    assert all(lines), process.stderr.read() if process.stderr else ""
    process.run, process.host = lines[0], host  # type: ignore[attr-defined]
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()
    cleanup.remove_labeled(engine, f"{cleanup.RUN_LABEL}={lines[0]}")
    for folder in (store.root / "scratch").glob(f"hosts-{host},*"):
        shutil.rmtree(folder)


def remaining(engine: Engine, run: str) -> list[str]:
    """Return the kinds of the resources that a run has."""
    return sorted(str(resource.kind) for resource in engine.list_labeled(f"{cleanup.RUN_LABEL}={run}"))


def volumes(engine: Engine, run: str) -> list[str]:
    """Return the volumes of a run's containers."""
    resources = engine.list_labeled(f"{cleanup.RUN_LABEL}={run}")
    names = [r.name for r in resources if r.kind is ResourceKind.CONTAINER]
    mounts = [mount for name in names for mount in engine.inspect(name)["Mounts"]]
    return [mount["Name"] for mount in mounts if mount["Type"] == "volume"]


def existing(engine: Engine, names: list[str]) -> list[str]:
    """Return those of the volumes that exist."""
    listed = [engine.name, "volume", "ls", "--quiet"]
    done = subprocess.run(listed, capture_output=True, text=True, check=True)
    return [name for name in names if name in done.stdout.split()]


def test_after_success_nothing_remains(engine, store):
    with open_session(store, QuietLog()) as session:
        start = ContainerSpec(ensure_image(session, TRIXIE), "container", volumes=("/var/lib/data",))
        with session.start_container(TRIXIE, start) as container:
            assert container.run("hostname").stdout
            assert remaining(engine, session.run_id) == ["container"]
            names = volumes(engine, session.run_id)
            assert len(existing(engine, names)) == 1
        assert remaining(engine, session.run_id) == []
        folder = session.folder
    assert existing(engine, names) == []
    assert not folder.exists()


def test_after_a_failure_nothing_remains(engine, store):
    def fail() -> None:
        with open_session(store, QuietLog()) as session:
            runs.append(session.run_id)
            with session.start_container(TRIXIE, ContainerSpec(ensure_image(session, TRIXIE), "test")) as container:
                container.run("false")

    runs: list[str] = []
    with pytest.raises(ToolError, match="false failed with exit code 1"):
        fail()
    assert remaining(engine, runs[0]) == []


def test_a_failure_ends_parallel_work_and_nothing_remains(session, engine):
    def work(index: int) -> None:
        with session.start_container(TRIXIE, ContainerSpec(image, "test")) as container:
            if index == 1:
                container.run("false")
            container.run("sleep", "600", timeout=600)

    image, started = ensure_image(session, TRIXIE), time.monotonic()
    with pytest.raises(ToolError, match="false failed"):
        run_parallel(session, work, 2, workers=2)
    assert time.monotonic() - started < 300
    assert remaining(engine, session.run_id) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_after_an_interruption_nothing_remains(running, engine, sent):
    assert remaining(engine, running.run) == ["container", "container", "network"]
    running.send_signal(sent)
    running.wait(300)
    assert remaining(engine, running.run) == []
    assert running.returncode != 0


def test_the_next_session_removes_what_a_killed_run_left(running, engine, store, capsys, monkeypatch):
    names = volumes(engine, running.run)
    assert len(existing(engine, names)) == 2
    running.kill()
    running.wait(TIMEOUT)
    assert remaining(engine, running.run) == ["container", "container", "network"]
    monkeypatch.setattr(socket, "gethostname", lambda: running.host)
    with open_session(store, PlainLog()) as session:
        assert remaining(engine, running.run) == []
        assert session.folder.parent.parent == store.root / "scratch"
    assert "removed what a killed run left" in capsys.readouterr().err
    assert existing(engine, names) == []
    pattern = f"hosts-*,{running.pid},*"
    assert list((store.root / "scratch").glob(pattern)) == []


def test_concurrent_runs_do_not_affect_each_other(running, session, engine, store):
    with open_session(store, QuietLog()) as other:
        with other.start_container(TRIXIE, ContainerSpec(ensure_image(other, TRIXIE), "test")) as container:
            container.run("true")
            assert len(remaining(engine, running.run)) == 3
        assert len(remaining(engine, running.run)) == 3
    assert running.poll() is None


def test_a_container_kept_for_debugging_stays_and_the_log_has_the_command_to_enter_it(engine, store, capsys):
    with open_session(store, PlainLog(), keep=True) as session:
        with session.start_container(TRIXIE, ContainerSpec(ensure_image(session, TRIXIE), "bad")) as container:
            session.keep_for_debugging(container)
        with session.start_container(TRIXIE, ContainerSpec(ensure_image(session, TRIXIE), "good")):
            pass
        run = session.run_id
    output = capsys.readouterr().err
    assert f"{engine.name} exec -it {container.name} bash" in output
    with open_session(store, QuietLog()):
        assert remaining(engine, run) == ["container"]
    assert cleanup.remove_labeled(engine, f"{cleanup.RUN_LABEL}={run}") == [f"container {container.name}"]
    assert remaining(engine, run) == []


def test_a_timeout_in_a_container_names_what_was_waited_for(session):
    with session.start_container(TRIXIE, ContainerSpec(ensure_image(session, TRIXIE), "test")) as container:
        with pytest.raises(WaitTimeout, match=r"Waited 1 s for trixie: the kubelet"):
            container.run("sleep", "60", timeout=1, description="the kubelet")
        with pytest.raises(WaitTimeout, match=r"(?s)trixie: waited 1 s for healthz\..*last words"):
            container.wait_for(lambda: None, "healthz", timeout=1, diagnose=lambda: "last words")


def test_a_removed_container_leaves_no_mounts_or_cgroups(session, engine):
    def traces(identity: str) -> list[str]:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
        groups = [str(path) for path in Path("/sys/fs/cgroup").glob("**/*") if path.is_dir()]
        return [line for line in (*mounts, *groups) if identity in line]

    with session.start_container(TRIXIE, ContainerSpec(ensure_image(session, TRIXIE), "test")) as container:
        inside = engine.inspect(container.name)
        layer = inside["GraphDriver"]["Data"]["UpperDir"].split("/")[-2]
        assert traces(layer)
        assert traces(inside["Id"])
    assert wait_until(lambda: traces(layer) == [])
    assert wait_until(lambda: traces(inside["Id"]) == [])
