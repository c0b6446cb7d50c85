"""A connection to a Dask scheduler, restored when the scheduler returns, or to a cluster on this machine."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubeparcel.errors import ConfigurationError, ToolError, Unreachable

try:
    import distributed
except ImportError:
    raise ToolError("--workers needs distributed, which is not installed.", "pip install 'kubeparcel[dask]'") from None

dask: Any = distributed
"""Its functions are only partly typed."""

ANSWER_TIMEOUT = 5
"""Seconds until a scheduler must have answered for the first time."""
RETURN_TIMEOUT = 60
"""Seconds in which a scheduler that was lost, or a worker for a unit, must appear."""
TLS_FILES = ("ca.crt", "tls.crt", "tls.key")
"""The files of --workers-tls: as Kubernetes' TLS secrets name them."""


class Connection:
    """A client of the scheduler at `tcp://HOST:PORT` or `tls://HOST:PORT`; with a number, of as many processes here."""

    def __init__(self, address: str, tls: Path | None = None) -> None:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self.address = f"dask:local:{address}" if address.isdecimal() else address
        self._processes = int(address) if address.isdecimal() else 0
        self._security = _security(tls) if tls else None
        self._guard = threading.Lock()
        self._client: Any = None
        self._cluster: Any = None
        self._failure: Unreachable | None = None
        self._closed = False

    def client(self) -> Any:
        """Return the client, a new one if the scheduler was lost; raise Unreachable if it does not answer."""
        with self._guard:
            if self._failure:
                raise self._failure
            if self._client is None:
                self._client = self._connect()
            elif self._client.status != "running":
                with suppress(Exception):
                    self._client.close(timeout=1)
                self._client = self._connect_again()
            return self._client

    def _connect_again(self) -> Any:
        """Return a new client as soon as the scheduler answers; a failure is final."""
        end = time.monotonic() + RETURN_TIMEOUT
        while True:
            try:
                return self._connect()
            except Unreachable as error:
                if self._closed or time.monotonic() > end:
                    self._failure = error
                    raise

    def workers(self) -> Mapping[str, Any]:
        """Return the scheduler's description of each worker, by address.

        Unlike the client's `scheduler_info`, whose answer another thread of the client replaces by one without workers.
        """
        workers: Mapping[str, Any] = self._client.sync(self._client.scheduler.identity, n_workers=-1)["workers"]
        return workers

    def close(self, tasks: Sequence[Any]) -> None:
        """Cancel tasks and end the connection, with the processes that were started for it."""
        self._closed = True
        with suppress(Exception):
            self._client.cancel(tasks, force=True)
        for opened in (self._client, self._cluster):
            with suppress(Exception):
                opened.close(timeout=ANSWER_TIMEOUT)

    def _connect(self) -> Any:
        target: Any = self.address
        if self._processes:
            self._cluster = target = _local_cluster(self._processes)
        try:
            return dask.Client(target, timeout=ANSWER_TIMEOUT, security=self._security, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = str(error).split("\n", 1)[0].replace(f" trying to connect to {self.address}", "")
            raise Unreachable(
                f"--workers: no Dask scheduler answers at {self.address}: {reason or type(error).__name__}",
                "Check the address, the firewall, and that dask scheduler runs there.\n"
                "A scheduler with TLS has a tls:// address, and needs --workers-tls.",
            ) from None


def _local_cluster(processes: int) -> Any:
    return dask.LocalCluster(
        n_workers=processes,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


def _security(folder: Path) -> Any:
    missing = [name for name in TLS_FILES if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"--workers-tls: {folder} has no {', '.join(missing)}.",
            "It must contain the certificate authority, and the certificate and key of this client, in PEM.",
        )
    names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
    paths = (str(folder / name) for name in TLS_FILES)
    return dask.Security(require_encryption=True, **dict(zip(names, paths, strict=True)))
