"""Connections that reach permitted addresses only, and whose responses arrive in time and have an end.

Headers, chunk sizes, trailers and bodies all pass through one place, so that one rule applies to all.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from functools import partial
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from kubeparcel.errors import DownloadError
from kubeparcel.sources.http.redirects import local_kind
from kubeparcel.sources.http.retry import RetryPolicy, Stalled, Unusable

MAX_HEADER = 256 << 10
"""Bytes that a response may have before its body, interim responses included; servers send a few KB."""

_FREE_LINES, _MIN_LINE_YIELD = 1000, 16
"""The number of lines (headers, chunk sizes, trailers) after which each needs this many bytes of body."""

_MAX_LINE = 65_536


class _Watched(io.RawIOBase):
    """The bytes of a response. Raises Stalled for a header that takes longer than the policy's `read_timeout`, and for
    less than its `min_rate` over such a time. Time that the reader spends elsewhere does not count.
    """

    def __init__(self, raw: Any, policy: RetryPolicy) -> None:
        self._raw, self._policy = raw, policy
        self._in_header = True
        self._start()

    def _start(self) -> None:
        self._received, self._waited = 0, 0.0

    def start_body(self) -> None:
        """Apply the rule for bodies from now on."""
        self._in_header = False
        self._start()

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def readinto(self, buffer: Any) -> int:
        started = time.monotonic()
        count: int = self._raw.readinto(buffer) or 0
        self._waited += time.monotonic() - started
        self._received += count
        if self._in_header and self._received > MAX_HEADER:
            raise Unusable("sent headers without end")
        if count and self._waited >= self._policy.read_timeout:
            if self._in_header or self._received < self._waited * self._policy.min_rate:
                raise Stalled(f"sent only {self._received:,} bytes in {self._waited:.0f} s")
            self._start()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Lines(io.BufferedReader):
    """Buffered bytes of a response, with a limit for lines, and for many lines with little between them."""

    _lines = _bytes = 0

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(_MAX_LINE + 1 if size is None or size < 0 else size)
        self._lines += 1
        if len(line) > _MAX_LINE:
            raise Unusable("sent a header of more than 64 KiB")
        if self._lines > _FREE_LINES and self._bytes < self._lines * _MIN_LINE_YIELD:
            raise Unusable("sent a response in pieces of a few bytes")
        return line

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._bytes += len(data)
        return data

    def read1(self, size: int = -1) -> bytes:
        data = super().read1(size)
        self._bytes += len(data)
        return data


class GuardedResponse(http.client.HTTPResponse):
    """A response that arrives in time and has an end."""

    def __init__(self, sock: socket.socket, *args: Any, policy: RetryPolicy, **keywords: Any) -> None:
        super().__init__(sock, *args, **keywords)
        self._watched = _Watched(self.fp.detach(), policy)
        self.fp = _Lines(self._watched)

    def begin(self) -> None:
        super().begin()
        self._watched.start_body()


class PeerRule:
    """Which addresses connections may reach: any of `named_hosts`, and local ones of the kinds that these have."""

    def __init__(self, named_hosts: set[str], local_kinds: set[str]) -> None:
        self.named_hosts = named_hosts
        self.local_kinds = local_kinds

    def check(self, host: str, address: str) -> None:
        """Raise DownloadError for a host name that resolved to an address which must not be read."""
        kind = local_kind(address)
        if host in self.named_hosts:
            self.local_kinds |= {kind} - {""}
        elif kind and kind not in self.local_kinds:
            raise DownloadError(f"{host} has the {kind} address {address}.", "Such addresses are not followed.")


class _Guarded:
    """Mixed into urllib3's connections: applies the rule to the address, and the policy to responses."""

    rule: PeerRule
    policy: RetryPolicy

    def _new_conn(self: Any) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc]
        self.response_class = partial(GuardedResponse, policy=self.policy)
        if self.proxy is None:
            try:
                self.rule.check(self.host, sock.getpeername()[0])
            except (DownloadError, OSError):
                sock.close()
                raise
        return sock


def pool_classes(rule: PeerRule, policy: RetryPolicy) -> dict[str, type[Any]]:
    """Return urllib3's classes of connection pools by scheme, with guarded connections."""
    guards = {"rule": rule, "policy": policy}
    pools = {"http": (HTTPConnectionPool, HTTPConnection), "https": (HTTPSConnectionPool, HTTPSConnection)}
    return {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": type(kind.__name__, (_Guarded, kind), guards)})
        for scheme, (pool, kind) in pools.items()
    }
