"""Chooses the transport for upstream or a mirror: HTTP or a local folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kubeparcel.errors import ConfigurationError
from kubeparcel.sources.http.download import HttpTransport
from kubeparcel.sources.http.retry import RetryPolicy
from kubeparcel.sources.http.urls import check_url, redact_url
from kubeparcel.sources.local_mirror import LocalMirror
from kubeparcel.sources.transport import Transport


def create_transport(mirror: str, policy: RetryPolicy) -> Transport:
    """Return the transport for a mirror (a URL or a folder), or for upstream if it is empty.

    A mirror has upstream's `https://HOST/PATH` as `MIRROR/HOST/PATH`.
    """
    scheme, separator, _ = mirror.partition("://")
    if not mirror or scheme.lower() in {"http", "https"}:
        return HttpTransport(check_url(mirror) if mirror else "", policy)
    if not separator:
        return LocalMirror(Path(mirror))
    if scheme.lower() == "file":
        return LocalMirror(Path(url2pathname(urlsplit(check_url(mirror)).path)))
    raise ConfigurationError(
        f"Invalid mirror {redact_url(mirror)!r}: unknown scheme {scheme}://.",
        "Expected a folder, or a URL that begins with http, https or file.",
    )
