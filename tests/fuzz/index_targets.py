"""What is fuzzed of repositories: Release, Packages, repomd.xml, primary, folder listings and HTTP responses."""

from __future__ import annotations

import gzip
import http.client
import io
import random
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from kubeparcel.doctor import apt_entries, apt_release, consistency, yum, yum_primary
from kubeparcel.doctor.apt_suite import SuiteContext
from kubeparcel.doctor.discovery import Suite
from kubeparcel.doctor.findings import Subject
from kubeparcel.doctor.http_reader import link_names
from kubeparcel.doctor.selection import Selection
from kubeparcel.doctor.signatures import cleartext
from kubeparcel.errors import ConfigurationError, DownloadError
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.payload_stream import plain_blocks
from kubeparcel.repository.yum import primary
from kubeparcel.sanitize import for_terminal
from kubeparcel.sources.http.connection import GuardedResponse
from kubeparcel.sources.http.download import content_range
from kubeparcel.sources.http.redirects import redirect_target
from kubeparcel.sources.http.retry import RetryPolicy, parse_http_date, parse_retry_after
from tests.cli.test_foreign_text import ENTRY, PRIMARY, RELEASE, REPOMD, stanza
from tests.fuzz.mutator import mutate

_DIGEST = "0" * 64
RELEASE_TEXT = (stanza(RELEASE) + f"SHA256:\n {_DIGEST} 10 main/binary-amd64/Packages\n").encode()
SIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n%s-----BEGIN PGP SIGNATURE-----\n\nx\n%s\n" % (
    RELEASE_TEXT,
    b"-----END PGP SIGNATURE-----",
)
PACKAGES = b"\n".join(stanza({**ENTRY, "Version": f"1:1.36.{patch}-1"}).encode() for patch in range(4))
PRIMARY_XML = PRIMARY.format(digest=_DIGEST).encode()
REPOMD_XML = REPOMD.replace("{digest}", _DIGEST).replace("{size}", "10").encode()
RESPONSES = (
    b'HTTP/1.1 206 Partial\r\nContent-Length: 5\r\nContent-Range: bytes 0-4/9\r\nETag: "x"\r\n\r\nhello',
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nRetry-After: 7\r\n\r\n5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: //u:p@example.org:80/a?b#c\r\n\r\n",
    b"HTTP/1.0 503 No\r\nRetry-After: Thu, 01 Jan 2026 00:00:00 GMT\r\nLast-Modified: Thu, 01 Jan 2026 0:0:0\r\n\r\n",
)


def _context() -> SuiteContext:
    return SuiteContext(cast("object", None), Suite("", "stable"), Subject("apt"), Selection())


def read_release(data: bytes) -> object:
    """Read a Release or an InRelease, and check its fields and dates."""
    text = cleartext(data)
    fields = deb_metadata.parse_fields(data.decode("utf-8", "replace") if text is None else text)
    context = _context()
    apt_release.check_fields(context, fields, 1.8e9)
    return _shown(context.subject)


def read_packages(data: bytes) -> object:
    """Read an index of debs, compressed or not, and check its entries."""
    context = _context()
    suffix = ".gz" if data.startswith(b"\x1f\x8b") else ""
    name = f"main/binary-amd64/Packages{suffix}"
    entries = apt_entries.read_entries(name, plain_blocks(name, [data]))
    context.subject.packages = frozenset(apt_entries.check_entries(context, name, entries))
    return _checked(context.subject)


def read_repomd(data: bytes) -> object:
    """Read a repomd.xml, and what each of its files should be."""
    places = []
    for entry in primary.listed_files(data):
        yum.listed_digest(entry, "open-")
        location = entry.find("{http://linux.duke.edu/metadata/repo}location")
        with suppress(ConfigurationError, ValueError):
            places += [primary.base_and_path(location)] if location is not None else []
    return places


def read_primary(data: bytes) -> object:
    """Read primary, and check its packages."""
    subject = Subject("yum")
    entries = yum_primary.read_entries("primary", plain_blocks("primary.xml", [data]))
    packages = yum_primary.check_entries(subject, {"primary": entries}, lambda base, path: f"{base}/{path}")
    subject.packages = frozenset(packages)
    return _checked(subject)


def _checked(subject: Subject) -> object:
    consistency.check_closure(subject)
    consistency.check_companions(subject)
    return _shown(subject)


def _shown(subject: Subject) -> object:
    text = "\n".join(f"{finding.found} {finding.location}" for check in subject.checks for finding in check.findings)
    return for_terminal(text)


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._data))


def read_response(data: bytes) -> object:
    """Read a response with its headers and its body as the client does. Errors of the network may be raised."""
    response = GuardedResponse(cast("socket.socket", _Socket(data)), policy=RetryPolicy())
    try:
        response.begin()
        while response.read1(1000):
            pass
    except (http.client.HTTPException, OSError, ValueError):
        pass  # what open_response and iter_body report as errors of the network
    headers = response.headers or http.client.HTTPMessage()
    parse_retry_after(headers.get("Retry-After"))
    parse_http_date(headers.get("Last-Modified"))
    content_range(200, headers, 0)
    content_range(206, headers, 5)
    for location in headers.get_all("Location") or ():
        with suppress(DownloadError):
            redirect_target("http://example.org/", "https://example.org/x", location, None, ())
    return None


def read_listing(data: bytes) -> object:
    """Read the page of a folder."""
    return link_names(data)


Target = tuple[Callable[[bytes], object], Sequence[bytes], Callable[[bytes, random.Random], bytes]]
INDEX_TARGETS: dict[str, Target] = {
    "release": (read_release, (RELEASE_TEXT, SIGNED), mutate),
    "packages": (read_packages, (PACKAGES, gzip.compress(PACKAGES, mtime=0)), mutate),
    "repomd": (read_repomd, (REPOMD_XML,), mutate),
    "primary": (read_primary, (PRIMARY_XML,), mutate),
    "http": (read_response, RESPONSES, mutate),
    "listing": (read_listing, (b"<a href='a%2Fb/'>x</a><a HREF = \"&amp;./c.deb\">",), mutate),
}
"""Readers with their seeds, and how these are damaged, by the names that findings have."""
