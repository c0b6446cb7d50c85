"""Start a docker daemon and a registry on loopback for tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.support.loopback import free_port, listens
from tests.support.waiting import TIMEOUT, wait_until

LIMITS = ("--default-ulimit=nofile=4096:4096", "--default-ulimit=nproc=4096:4096")


def require_programs(*programs: str) -> None:
    """Skip the test unless the programs are installed and it runs as root; CI fails on skips."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing or os.geteuid():
        pytest.skip(f"needs root and {', '.join(programs)}")


@contextmanager
def dockerd(folder: Path) -> Iterator[str]:
    """Run a docker daemon with its own data folder and socket; yield its DOCKER_HOST.

    The path of a socket has at most 107 characters, so its folder needs a short name.
    """
    require_programs("dockerd", "docker", "containerd")
    with tempfile.TemporaryDirectory(prefix="kpd-", ignore_cleanup_errors=True) as socket_folder:
        address = f"unix://{socket_folder}/docker.sock"
        options = [f"--host={address}", f"--data-root={folder}/data", f"--exec-root={socket_folder}/exec"]
        options += [f"--pidfile={folder}/docker.pid", "--bridge=none", "--iptables=false", *LIMITS]
        try:
            with _running(["dockerd", *options], folder / "docker.log", lambda: _accepts_connections(socket_folder)):
                yield address
        finally:
            if os.path.ismount(folder / "data"):  # left by a daemon that failed to start
                subprocess.run(["umount", folder / "data"], check=True)


def _accepts_connections(folder: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(f"{folder}/docker.sock")
        except OSError:
            return False
    return True


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run Debian's docker-registry on a free port of loopback; yield `localhost:PORT`."""
    require_programs("docker-registry")
    port = free_port()
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    file = folder / "registry.yaml"
    file.write_text(yaml.safe_dump(config))
    command = ["docker-registry", "serve", str(file)]
    with _running(command, folder / "registry.log", lambda: listens(port)):
        yield f"localhost:{port}"


@contextmanager
def _running(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            wait_until(lambda: ready() or process.poll() is not None)
            if process.poll() is not None or not ready():
                pytest.fail(f"{command[0]} did not start:\n{log.read_text()[-3000:]}")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
