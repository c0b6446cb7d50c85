"""S3 servers on loopback: moto and versitygw, and a proxy that injects faults."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from tests.support.go_programs import go_program
from tests.support.loopback import free_port, listens, serve
from tests.support.waiting import TIMEOUT, wait_until

PACKAGE = "github.com/versity/versitygw/cmd/versitygw"
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
    """Run moto's S3 server; yields its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", _MOTO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()
        process.wait(TIMEOUT)


@contextmanager
def versitygw(folder: Path) -> Iterator[str]:
    """Run versitygw, a real S3 server, on a folder; yields its URL."""
    port = free_port()
    (folder / "data").mkdir()
    command = [go_program(PACKAGE, VERSION), "--port", f"127.0.0.1:{port}", "posix", str(folder / "data")]
    environment = {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": USER, "ROOT_SECRET_KEY": SECRET}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        assert wait_until(lambda: listens(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}"
        process.terminate()


def create_bucket(server: str, name: str) -> None:
    """Create a bucket."""
    import boto3

    boto3.client(
        "s3", endpoint_url=server, aws_access_key_id=USER, aws_secret_access_key=SECRET, region_name="us-east-1"
    ).create_bucket(Bucket=name)


@dataclass
class FaultProxy:
    """A proxy of a server. Each request uses up one of `faults`: an HTTP status, or STALL.

    Then `after` requests pass, and each further one fails with `always`, unless it is 0. `code` is
    the S3 error code of these answers. `read_only`: whatever would change a bucket fails with 403.
    """

    url: str = ""
    faults: list[int] = field(default_factory=list)
    always: int = 0
    after: int = 0
    code: str = "Injected"
    read_only: bool = False
    requests: list[str] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)

    def next_fault(self) -> int:
        """Return the fault of the next request; 0 for none."""
        if self.faults:
            return self.faults.pop(0)
        if self.always and self.after > 0:
            self.after -= 1
            return 0
        return self.always

    @property
    def error_body(self) -> bytes:
        """Return the body of an answer with an error."""
        return f"<Error><Code>{self.code}</Code><Message>injected fault</Message></Error>".encode()


STALL = -1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the header's acknowledgement

    def __init__(self, proxy: FaultProxy, server: str, *args: object) -> None:
        self.proxy, self.target = proxy, urlsplit(server).netloc
        super().__init__(*args)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.proxy.requests.append(f"{self.command} {self.path}")
        denied = self.proxy.read_only and self.command not in ("GET", "HEAD")
        fault = 403 if denied else self.proxy.next_fault()
        if fault == STALL:
            self.proxy.stopped.wait(5 * TIMEOUT)
            self.close_connection = True
        elif fault:
            self._answer(fault, {"Content-Type": "application/xml"}, self.proxy.error_body)
        else:
            self._forward(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _handle  # noqa: N815 - the library's names

    def _forward(self, body: bytes) -> None:
        server = http.client.HTTPConnection(self.target, timeout=TIMEOUT)
        server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # with the Host header that is signed
            server.putheader(name, value)
        server.endheaders(body)
        answer = server.getresponse()
        dropped = {"transfer-encoding", "connection", "content-length"}
        headers = {n: v for n, v in answer.getheaders() if n.lower() not in dropped}
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, headers, answer.read(), length)
        server.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        return


@contextmanager
def fault_proxy(server: str) -> Iterator[FaultProxy]:
    """Run a proxy of a server, without faults at first."""
    proxy = FaultProxy()
    with serve(partial(_Handler, proxy, server)) as running:
        proxy.url = f"http://127.0.0.1:{running.server_port}"
        try:
            yield proxy
        finally:
            proxy.stopped.set()
