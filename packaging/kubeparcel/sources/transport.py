"""How upstream's files get here: one Protocol, and a way for each scheme a mirror may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kubeparcel.errors import ConfigurationError
from kubeparcel.sources.http.download import HttpTransport
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.local_mirror import LocalMirror
from kubeparcel.threads import CancelToken

ProgressCallback: TypeAlias = Callable[[int, int | None], None]
"""Told how many bytes of a file are here, and of how many in all (None: nobody knows)."""


class Transport(Protocol):
    """A way to upstream's files; `address` is always upstream's own, https://HOST/PATH."""

    verb: ClassVar[str]

    def location(self, address: str) -> str:
        """What is really read for an address, as a person may see it."""

    def probe(self, address: str) -> None:
        """Return when a file can be had, decided within some seconds; else raise Unreachable."""

    def read(self, address: str, stop: CancelToken) -> str | None:
        """The text of a small file; None when there is no such file."""

    def last_modified(self, address: str, stop: CancelToken) -> int | None:
        """When a file was last changed, in seconds since 1970 (0: not said); None: no such file."""

    def copy(self, address: str, part: Path, at: ProgressCallback, stop: CancelToken) -> str:
        """Copy a file to `part`, or what is still missing there, and give the sha256 of it all."""


def create_transport(mirror: str, patience: RetryPolicy) -> Transport:
    """The way to a mirror (a URL or a directory), or to upstream itself when there is none.

    The mirror has upstream's `https://HOST/PATH` as `MIRROR/HOST/PATH`.
    """
    scheme, colon, _ = mirror.partition("://")
    ways: Mapping[str, Callable[[], Transport]] = {
        "http": lambda: HttpTransport(mirror, patience),
        "https": lambda: HttpTransport(mirror, patience),
        "file": lambda: LocalMirror(Path(url2pathname(urlsplit(mirror).path))),
    }
    if not mirror:
        return HttpTransport("", patience)
    if not colon:
        return LocalMirror(Path(mirror))
    if scheme.lower() not in ways:
        raise ConfigurationError(
            f"A mirror cannot be read by {scheme}://.",
            f"Give a directory, or an address that begins with one of: {', '.join(ways)}.",
        )
    return ways[scheme.lower()]()
