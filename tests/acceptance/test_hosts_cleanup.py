"""Nothing is left behind: after success, failure, Ctrl-C, and when the program was killed."""

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
from kubeparcel.hosts import catalog, cleanup, session
from kubeparcel.hosts.engine import ContainerSpec, Engine, ResourceKind, WaitTimeout
from kubeparcel.hosts.parallel_runs import run_parallel
from kubeparcel.hosts.session import Session
from kubeparcel.store import Store
from tests.conftest import TIMEOUT, wait_until

TRIXIE = catalog.load_hosts().get("trixie")

RUNNING = """
import socket, sys
socket.gethostname = lambda: sys.argv[2]
from pathlib import Path
from kubeparcel.hosts import catalog, parallel_runs, session
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.console import QuietLog
from kubeparcel.store import Store

host = catalog.load_hosts().get("trixie")
with session.open_session(Store(Path(sys.argv[1])), QuietLog()) as here:
    image = here.ensure_image(host)
    here.engine.create_network(f"kubeparcel-{here.run_id}", here.labels, internal=True)

    def work(_):
        start = ContainerSpec(image, "box", volumes=("/var/lib/data",))
        with here.start_container(host, start) as box:
            print(here.run_id, flush=True)
            box.run("sleep", "600", timeout=600)

    parallel_runs.run_parallel(here, work, 2)
"""


@pytest.fixture
def store(binaries_cache: Path) -> Store:
    return Store(binaries_cache)


@pytest.fixture
def here(engine, store) -> Iterator[Session]:
    with session.open_session(store, QuietLog()) as opened:
        yield opened


@pytest.fixture
def running(engine, store) -> Iterator[subprocess.Popen[str]]:
    """Another process of ours with two containers, two volumes and a network.

    It says that it is on another machine: whoever else runs here does not clean up after it.
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
    cleanup.remove_labelled(engine, f"{cleanup.RUN_LABEL}={lines[0]}")
    for folder in (store.root / "scratch").glob(f"hosts-{host},*"):
        shutil.rmtree(folder)


def left(engine: Engine, run: str) -> list[str]:
    """What is there of a run."""
    return sorted(str(row.kind) for row in engine.list_labelled(f"{cleanup.RUN_LABEL}={run}"))


def volumes(engine: Engine, run: str) -> list[str]:
    """The volumes of a run's containers."""
    rows = engine.list_labelled(f"{cleanup.RUN_LABEL}={run}")
    boxes = [engine.inspect(row.name) for row in rows if row.kind is ResourceKind.CONTAINER]
    mounts = [mount for box in boxes for mount in box["Mounts"]]
    return [mount["Name"] for mount in mounts if mount["Type"] == "volume"]


def there(engine: Engine, names: list[str]) -> list[str]:
    """Those of the volumes that there are."""
    listed = [engine.name, "volume", "ls", "--quiet"]
    done = subprocess.run(listed, capture_output=True, text=True, check=True)
    return [name for name in names if name in done.stdout.split()]


def test_after_success_nothing_is_left(engine, store):
    with session.open_session(store, QuietLog()) as here:
        start = ContainerSpec(here.ensure_image(TRIXIE), "box", volumes=("/var/lib/data",))
        with here.start_container(TRIXIE, start) as box:
            assert box.run("hostname").stdout
            assert left(engine, here.run_id) == ["container"]
            names = volumes(engine, here.run_id)
            assert len(there(engine, names)) == 1
        assert left(engine, here.run_id) == []
        folder = here.folder
    assert there(engine, names) == []
    assert not folder.exists()


def test_after_a_failure_nothing_is_left(engine, store):
    def fail() -> None:
        with session.open_session(store, QuietLog()) as here:
            runs.append(here.run_id)
            with here.start_container(
                TRIXIE, ContainerSpec(here.ensure_image(TRIXIE), "box")
            ) as box:
                box.run("false")

    runs: list[str] = []
    with pytest.raises(ToolError, match="false failed with exit code 1"):
        fail()
    assert left(engine, runs[0]) == []


def test_one_that_fails_ends_the_others_and_nothing_is_left(here, engine):
    def work(index: int) -> None:
        with here.start_container(TRIXIE, ContainerSpec(image, "box")) as box:
            if index == 1:
                box.run("false")
            box.run("sleep", "600", timeout=600)

    image, started = here.ensure_image(TRIXIE), time.monotonic()
    with pytest.raises(ToolError, match="false failed"):
        run_parallel(here, work, 2, workers=2)
    assert time.monotonic() - started < 300
    assert left(engine, here.run_id) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_after_an_interruption_nothing_is_left(running, engine, sent):
    assert left(engine, running.run) == ["container", "container", "network"]
    running.send_signal(sent)
    running.wait(300)
    assert left(engine, running.run) == []
    assert running.returncode != 0


def test_what_a_killed_run_left_goes_when_the_next_begins(
    running, engine, store, capsys, monkeypatch
):
    names = volumes(engine, running.run)
    assert len(there(engine, names)) == 2
    running.kill()
    running.wait(TIMEOUT)
    assert left(engine, running.run) == ["container", "container", "network"]
    monkeypatch.setattr(socket, "gethostname", lambda: running.host)
    with session.open_session(store, PlainLog()) as here:
        assert left(engine, running.run) == []
        assert here.folder.parent.parent == store.root / "scratch"
    assert "removed what a killed run left" in capsys.readouterr().err
    assert there(engine, names) == []
    gone = f"hosts-*,{running.pid},*"
    assert list((store.root / "scratch").glob(gone)) == []


def test_two_runs_side_by_side_do_not_disturb_each_other(running, here, engine, store):
    with session.open_session(store, QuietLog()) as other:
        with other.start_container(TRIXIE, ContainerSpec(other.ensure_image(TRIXIE), "box")) as box:
            box.run("true")
            assert len(left(engine, running.run)) == 3
        assert len(left(engine, running.run)) == 3
    assert running.poll() is None


def test_what_is_held_stays_and_the_log_says_how_to_enter_it(engine, store, capsys):
    with session.open_session(store, PlainLog(), keep=True) as here:
        with here.start_container(TRIXIE, ContainerSpec(here.ensure_image(TRIXIE), "bad")) as box:
            here.keep_for_debugging(box)
        with here.start_container(TRIXIE, ContainerSpec(here.ensure_image(TRIXIE), "good")):
            pass
        run = here.run_id
    said = capsys.readouterr().err
    assert f"{engine.name} exec -it {box.name} bash" in said
    with session.open_session(store, QuietLog()):
        assert left(engine, run) == ["container"]
    assert cleanup.remove_labelled(engine, f"{cleanup.RUN_LABEL}={run}") == [
        f"container {box.name}"
    ]
    assert left(engine, run) == []


def test_a_wait_in_a_container_ends_and_names_what_was_waited_for(here):
    with here.start_container(TRIXIE, ContainerSpec(here.ensure_image(TRIXIE), "box")) as box:
        with pytest.raises(WaitTimeout, match=r"Waited 1 s for trixie: the kubelet"):
            box.run("sleep", "60", timeout=1, description="the kubelet")
        with pytest.raises(WaitTimeout, match=r"(?s)trixie: waited 1 s for healthz\..*last words"):
            box.wait_for(lambda: None, "healthz", timeout=1, diagnose=lambda: "last words")


def test_its_mounts_and_cgroups_are_gone_with_a_container(here, engine):
    def traces(identity: str) -> list[str]:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
        groups = [str(path) for path in Path("/sys/fs/cgroup").glob("**/*") if path.is_dir()]
        return [line for line in (*mounts, *groups) if identity in line]

    with here.start_container(TRIXIE, ContainerSpec(here.ensure_image(TRIXIE), "box")) as box:
        inside = engine.inspect(box.name)
        layer = inside["GraphDriver"]["Data"]["UpperDir"].split("/")[-2]
        assert traces(layer)
        assert traces(inside["Id"])
    assert wait_until(lambda: traces(layer) == [])
    assert wait_until(lambda: traces(inside["Id"]) == [])
