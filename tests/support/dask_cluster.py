"""Dask schedulers and workers as processes on loopback, each worker with a cache of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from kubeparcel.record_key import VARIABLE
from tests.support.checkout import ROOT
from tests.support.loopback import free_port
from tests.support.waiting import TIMEOUT, wait_until

SECRET = "secret of the team"


class Cluster:
    """A scheduler, its address, and its workers; `remote` is the folder that they share.

    A context: its end ends all processes.
    """

    def __init__(self, folder: Path, protocol: str = "tcp", options: Sequence[str] = ()) -> None:
        self.folder, self.remote = folder, folder / "remote"
        self.remote.mkdir(parents=True)
        self.address = f"{protocol}://127.0.0.1:{free_port()}"
        self.options = options
        self.workers: set[str] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, *workers: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start the scheduler and these workers, and wait for them; return the scheduler's process."""
        scheduler = self.start_scheduler()
        for name in workers:
            self.start_worker(name, **options)
        self.wait()
        return scheduler

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start the scheduler, at the same address each time."""
        protocol, _, address = self.address.partition("://")
        port = address.rpartition(":")[2]
        return self._start("scheduler", "--protocol", protocol, "--host", "127.0.0.1", "--port", port, "--no-dashboard")

    def start_worker(
        self,
        name: str,
        *,
        preload: str = "",
        resources: str = "go=1",
        environment: Mapping[str, str] | None = None,
        restart: bool = False,
        core: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a worker; `preload` is code that it runs first. With `restart`, it is started again when it ends.

        `core` is the only processor that it uses.
        """
        prefix = ["sh", "-c", 'while :; do "$@"; done', "sh"] if restart else []
        prefix += [] if core is None else ["taskset", "--cpu-list", str(core)]
        preloads = []
        if preload:
            file = self.folder / f"preload_{name}.py"
            file.write_text(preload)
            preloads = ["--preload", str(file)]
        local = self.folder / f"dask-{name}"
        self.workers.add(name)
        return self._start(
            "worker",
            *(self.address, "--host", "127.0.0.1", "--no-nanny", "--no-dashboard", "--nthreads", "1"),
            *("--name", name, "--local-directory", str(local), "--resources", resources, "--death-timeout", "60"),
            *preloads,
            environment={
                "KUBEPARCEL_CACHE": str(self.folder / f"cache-{name}"),
                "KUBEPARCEL_CONFIG": str(self.folder / f"config-{name}"),
                **(environment or {}),
            },
            prefix=prefix,
        )

    @contextmanager
    def worker(self, name: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Run one worker more until the block ends."""
        process = self.start_worker(name, **options)
        try:
            self.wait()
            yield process
        finally:
            stop(process)
            self.workers.remove(name)

    def wait(self) -> None:
        """Wait until the scheduler knows exactly the workers that run."""
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=TIMEOUT) as client:
            present: set[str] = set()

            def complete() -> bool:
                nonlocal present
                workers = client.scheduler_info(n_workers=-1)["workers"].values()
                present = {worker["name"] for worker in workers if worker["resources"]}  # these follow a moment later
                return present == self.workers

            assert wait_until(complete), present

    def _start(
        self, kind: str, *args: str, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        command = [*prefix, sys.executable, "-m", "distributed.cli.dask_" + kind, *self.options, *args]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBEPARCEL_")}
        variables = {**kept, VARIABLE: SECRET, "PYTHONPATH": str(ROOT), **(environment or {})}
        log = self._stack.enter_context((self.folder / f"{kind}.log").open("ab"))
        process = subprocess.Popen(
            command, env=variables, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
        )
        self._stack.callback(stop, process)
        return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children, and wait for its end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(TIMEOUT)


def certificates(folder: Path) -> list[str]:
    """Write a self-signed certificate as ca.crt, tls.crt and tls.key; return the options of Dask that name them."""
    folder.mkdir(exist_ok=True)
    files = [folder / name for name in ("ca.crt", "tls.crt", "tls.key")]
    subject = ["-subj", "/CN=kubeparcel", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", files[2], "-out", files[1]]
    subprocess.run(["openssl", "req", "-x509", *key, *subject], check=True, capture_output=True)
    files[0].write_bytes(files[1].read_bytes())
    return [f"--tls-{name}={file}" for name, file in zip(("ca-file", "cert", "key"), files, strict=True)]
