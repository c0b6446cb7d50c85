"""The error about a locked repository names the process that really has the lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from kubeparcel import paths
from kubeparcel.errors import Busy
from kubeparcel.repository.storage import lock
from kubeparcel.repository.storage.folder import FolderStorage

_KILLED = """
import os, signal, sys, time
from pathlib import Path
from kubeparcel.repository.storage.folder import FolderStorage
from kubeparcel.worker_processes import worker_processes

with FolderStorage(Path(sys.argv[1])).lease(0), worker_processes() as workers:
    workers.submit(time.sleep, 0).result()
    workers.submit(time.sleep, 60)
    os.kill(os.getpid(), signal.SIGKILL)
"""

_FLOCK = """
import fcntl, sys
file = open(sys.argv[1], 'a')
fcntl.flock(file, fcntl.LOCK_EX)
print('locked', flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(*argv: object) -> Iterator[int]:
    """Run a program that locks a file and prints that it did; yields the ID of its process."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process.pid
        process.stdin.close()


def flock(path: Path) -> AbstractContextManager[int]:
    """Lock a file as `flock FILE COMMAND` does."""
    return holder(sys.executable, "-c", _FLOCK, path)


def lock_file(repo: Path, record: str = "") -> Path:
    """Return the lock of a repository, after a publisher that left this record."""
    with FolderStorage(repo).lease(0):
        pass
    path = repo / ".kubeparcel/lock"
    if record:
        path.write_text(f"7\n{record}\n")
    return path


def busy_message(repo: Path) -> str:
    with pytest.raises(Busy) as error:
        FolderStorage(repo).lease(0).__enter__()
    return error.value.message


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize("left_by_a_killed_publisher", [False, True])
def test_lock_of_another_program_is_not_blamed_on_the_last_publisher(repo, left_by_a_killed_publisher):
    dead = dead_process()
    record = f"process {dead} on {os.uname().nodename} since 2026-01-01 10:00"
    with flock(lock_file(repo, record if left_by_a_killed_publisher else "")) as pid:
        message = busy_message(repo)
    command = Path(sys.executable).name[:15]
    assert message == f"Repository {repo} is locked by process {pid} ({command})."


def test_lock_of_a_process_that_cannot_be_seen_is_of_another_process(repo, monkeypatch):
    record = f"process {dead_process()} on {os.uname().nodename} since 2026-01-01 10:00"
    monkeypatch.setattr(lock, "PROC", repo / "no-proc")
    with flock(lock_file(repo, record)):
        assert busy_message(repo) == f"Repository {repo} is locked by another process."


def test_lock_is_found_in_proc_locks_if_descriptors_are_unreadable(repo, tmp_path, monkeypatch):
    path = lock_file(repo)
    status = path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    proc = tmp_path / "proc"
    (proc / "4711").mkdir(parents=True)
    (proc / "4711/comm").write_text("rsync\n")
    (proc / "locks").write_text(
        "1: POSIX  ADVISORY  WRITE 12 fd:01:99 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 4711 {device}:{status.st_ino} 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 4712 {device}:{status.st_ino} 0 EOF\n"
    )
    monkeypatch.setattr(lock, "PROC", proc)
    with flock(path):
        assert busy_message(repo) == f"Repository {repo} is locked by process 4711 (rsync)."


def test_lock_that_a_shell_inherited_is_of_the_shell(repo):
    """`exec 9>lock; flock 9`: the process that took the lock has ended."""
    path = lock_file(repo)
    script = 'exec 9>>"$0"; flock 9; echo locked; read line'
    with holder("bash", "-c", script, path) as pid:
        assert busy_message(repo) == f"Repository {repo} is locked by process {pid} (bash)."


def test_publisher_on_another_host_is_named_by_its_record(repo, monkeypatch):
    record = "process 12 on elsewhere since 2026-01-01 10:00"
    monkeypatch.setattr(lock, "PROC", repo / "no-proc")
    with flock(lock_file(repo, record)):
        assert f"is locked by another publisher ({record})." in busy_message(repo)


def test_released_lock_has_no_record_of_its_last_publisher(repo):
    assert lock_file(repo).read_text() == "1\n"
    with FolderStorage(repo).lease(0) as token:
        assert token == 2
        message = busy_message(repo)
    assert f"is locked by another publisher (process {os.getpid()} on " in message


def test_workers_of_a_killed_publisher_do_not_keep_the_lock(repo):
    environment = {**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)}
    killed = subprocess.run([sys.executable, "-c", _KILLED, repo], env=environment, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    with FolderStorage(repo).lease(5) as token:
        assert token == 2
