"""A docker of the tests' own and a registry on loopback: started here, stopped by their numbers."""

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

from tests.conftest import TIMEOUT, wait_until

LIMITS = ("--default-ulimit=nofile=4096:4096", "--default-ulimit=nproc=4096:4096")


def needed(*programs: str) -> None:
    """Skip unless these are installed and we are root; under CI that is a failure."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing or os.geteuid():
        pytest.skip(f"needs root and {', '.join(programs)}")


@contextmanager
def dockerd(folder: Path) -> Iterator[str]:
    """A docker daemon with its own data and socket; gives DOCKER_HOST.

    Its sockets are in a folder with a short name: a socket's path has 107 characters at most.
    """
    needed("dockerd", "docker", "containerd")
    with tempfile.TemporaryDirectory(prefix="kpd-", ignore_cleanup_errors=True) as short:
        address = f"unix://{short}/docker.sock"
        own = [f"--host={address}", f"--data-root={folder}/data", f"--exec-root={short}/exec"]
        own += [f"--pidfile={folder}/docker.pid", "--bridge=none", "--iptables=false", *LIMITS]
        try:
            with _running(["dockerd", *own], folder / "docker.log", lambda: _answers(short)):
                yield address
        finally:
            if os.path.ismount(folder / "data"):  # what a daemon leaves that fails to start
                subprocess.run(["umount", folder / "data"], check=True)


def _answers(folder: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(f"{folder}/docker.sock")
        except OSError:
            return False
    return True


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry on a free port of loopback; gives `localhost:PORT`."""
    needed("docker-registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    file = folder / "registry.yaml"
    file.write_text(yaml.safe_dump(config))

    def listening() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    command = ["docker-registry", "serve", str(file)]
    with _running(command, folder / "registry.log", listening):
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
