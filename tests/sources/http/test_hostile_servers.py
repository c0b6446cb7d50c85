"""Servers that send a byte now and then, or never end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from kubeparcel.errors import DownloadError, ExternalError
from kubeparcel.packages.limits import Limit
from kubeparcel.sources.http import download
from kubeparcel.sources.http.request import read_body
from kubeparcel.sources.http.retry import RetryPolicy, TransientError, retry
from kubeparcel.sources.http.session import Session
from kubeparcel.threads import CancelToken

IMPATIENT = RetryPolicy(connect_timeout=5, read_timeout=0.2, attempts=2, backoff=0.01)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
Send = Callable[[bytes], None]


@contextmanager
def raw_server(answer: Callable[[Send], None], connections: list[int]) -> Iterator[str]:
    """Run a server that answers each connection with `answer`, which gets a function that sends bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connections.append(1)
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                connection.recv(65536)
                answer(connection.sendall)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        listener.shutdown(socket.SHUT_RDWR)


def slowly(start: bytes, text: bytes) -> Callable[[Send], None]:
    def answer(send: Send) -> None:
        send(start)
        while True:
            for byte in text:
                send(bytes([byte]))
                time.sleep(0.03)

    return answer


def endlessly(start: bytes, text: bytes) -> Callable[[Send], None]:
    def answer(send: Send) -> None:
        send(start)
        while True:
            send(text * 1000)

    return answer


def read(url: str, policy: RetryPolicy = IMPATIENT) -> bytes | None:
    token = CancelToken()
    session = Session(policy)
    return retry(policy, token, lambda: read_body(session, url, token, 10_000_000))


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"", b"HTTP/1.1"),
        (OK, b"X-Header: 1\r\n"),
        (OK + b"Content-Length: 1000\r\n\r\n", b"body"),
        (OK + b"\r\n", b"body"),
        (CHUNKED, b"0000"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"0\r\n", b"Trailer: 1\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_server_that_sends_a_byte_now_and_then_is_retried_then_reported(start, text):
    connections: list[int] = []
    began = time.monotonic()
    with raw_server(slowly(start, text), connections) as url, pytest.raises(ExternalError, match=r"sent only|answer"):
        read(url)
    assert time.monotonic() - began < 4
    assert len(connections) == IMPATIENT.attempts


@pytest.mark.parametrize(
    ("start", "text"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"x"),
        (OK, b"X: " + b"x" * 1000 + b"\r\n"),
        (CHUNKED, b"0"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED, b"1;" + b"x" * 1000),
        (CHUNKED + b"0\r\n", b"Trailer: 1\r\n"),
    ],
)
def test_response_without_an_end_is_reported(start, text):
    began = time.monotonic()
    policy = RetryPolicy(read_timeout=30, attempts=1)
    with raw_server(endlessly(start, text), []) as url, pytest.raises(ExternalError):
        read(url, policy)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: -5",
        b"Content-Length: " + b"9" * 5000,
        "Content-Length: \u00b2".encode(),
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Location: http://[::1/",
        b"Content-Range: bytes 5-1/9",
        b"Set-Cookie: \xff=\xff; expires=" + b"9" * 1000,
        b"X: " + b"x" * 70_000,
        b"\xff\xfe\x00: \x00",
        b"no colon",
    ],
)
@pytest.mark.parametrize("code", [b"200 OK", b"302 Found", b"99999999 \xff", b"206 Partial"])
def test_odd_headers_end_in_a_result_or_an_error(header, code):
    answer = b"HTTP/1.1 " + code + b"\r\n" + header + b"\r\n\r\nhello"
    with raw_server(lambda send: send(answer), []) as url, suppress(ExternalError):
        read(url, RetryPolicy(read_timeout=5, attempts=1))


def test_file_that_advances_a_byte_at_each_attempt_is_not_retried_without_end():
    size = 0

    def attempt() -> int:
        nonlocal size
        size += 1
        raise TransientError(DownloadError("stalled"))

    with pytest.raises(DownloadError, match="stalled"):
        retry(IMPATIENT, CancelToken(), attempt, lambda: size)
    assert size == IMPATIENT.attempts


def test_download_without_an_end_stops_at_a_limit(tmp_path):
    limit = Limit("small", 100_000, "bytes", "")
    answer = endlessly(OK + b"\r\n", b"x" * 1000)
    with raw_server(answer, []) as url, pytest.raises(DownloadError, match="above the limit small of 100,000 bytes"):
        download.HttpTransport("", IMPATIENT, limit).copy(url, tmp_path / "part", lambda *_: None, CancelToken())
    assert (tmp_path / "part").stat().st_size < 3_000_000
