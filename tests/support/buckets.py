"""S3 servers on loopback: moto's, versitygw's, and a road to them on which things go wrong."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest

from tests.conftest import TIMEOUT, wait_until

MODULE = "github.com/versity/versitygw/cmd/versitygw"
VERSION = "v1.8.0"
USER, SECRET = "tests", "tests-secret"

_MOTO = (
    "from moto.server import ThreadedMotoServer as S\n"
    "s = S('127.0.0.1', 0, verbose=False); s.start()\n"
    "print(s.get_host_and_port()[1], flush=True)\n"
    "import sys; sys.stdin.read()\n"
)


@contextmanager
def moto(_: Path) -> Iterator[str]:
    """The S3 of Python's moto; gives its address."""
    with subprocess.Popen(
        [sys.executable, "-c", _MOTO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        assert process.stdin is not None
        process.stdin.close()
        process.wait(TIMEOUT)


@contextmanager
def versitygw(folder: Path) -> Iterator[str]:
    """A real S3 server over a folder; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "data").mkdir()
    command = [_program(), "--port", f"127.0.0.1:{port}", "posix", str(folder / "data")]
    environment = {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": USER, "ROOT_SECRET_KEY": SECRET}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        assert wait_until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _program() -> Path:
    """versitygw, compiled once and kept in the user's cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    folder = base / "kubeparcel-tests" / f"versitygw-{VERSION}"
    program = folder / "versitygw"
    if not program.exists():
        if not shutil.which("go"):
            pytest.skip("needs Go, to compile versitygw")
        environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-trimpath"}
        subprocess.run(
            ["nice", "go", "install", f"{MODULE}@{VERSION}"], env=environment, check=True
        )
    return program


def make(server: str, name: str) -> None:
    """Make a bucket."""
    import boto3

    boto3.client(
        "s3",
        endpoint_url=server,
        aws_access_key_id=USER,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    ).create_bucket(Bucket=name)


@dataclass
class Road:
    """Leads to a server. `faults` are used up, one a request: a status, or STALL.

    `forever` is what happens to each request once `faults` are used up and `after` more have
    come through.
    """

    address: str = ""
    faults: list[int] = field(default_factory=list)
    forever: int = 0
    after: int = 0
    over: Event = field(default_factory=Event)

    def next(self) -> int:
        """What happens to a request; 0 is nothing."""
        if self.faults:
            return self.faults.pop(0)
        if self.forever and self.after > 0:
            self.after -= 1
            return 0
        return self.forever


STALL = -1


class _Traveller(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the header's acknowledgement

    def __init__(self, road: Road, server: str, *args: object) -> None:
        self.road, self.target = road, urlsplit(server).netloc
        super().__init__(*args)  # type: ignore[arg-type]

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.road.next()
        if fault == STALL:
            self.road.over.wait(5 * TIMEOUT)
            self.close_connection = True
        elif fault:
            self._answer(fault, {"Content-Type": "application/xml"}, _REFUSAL)
        else:
            self._forward(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _any  # noqa: N815 - the library's names

    def _forward(self, body: bytes) -> None:
        server = http.client.HTTPConnection(self.target, timeout=TIMEOUT)
        server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # with the host that was signed
            server.putheader(name, value)
        server.endheaders(body)
        answer = server.getresponse()
        dropped = {"transfer-encoding", "connection", "content-length"}
        rows = {n: v for n, v in answer.getheaders() if n.lower() not in dropped}
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, rows, answer.read(), length)
        server.close()

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, length: str | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        return


_REFUSAL = b"<Error><Code>Trouble</Code><Message>somebody said no</Message></Error>"


class _Quiet(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up in the middle is no matter for the tests' output."""


@contextmanager
def road(server: str) -> Iterator[Road]:
    """A road to a server, free of trouble at first."""
    made = Road()
    with _Quiet(("127.0.0.1", 0), partial(_Traveller, made, server)) as running:
        made.address = f"http://127.0.0.1:{running.server_address[1]}"
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield made
        finally:
            made.over.set()
            running.shutdown()
            thread.join()
