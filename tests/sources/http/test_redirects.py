"""Redirects: only to hosts that were named, never to a weaker connection, and not without end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests

from kubeparcel.errors import DownloadError, ExternalError
from kubeparcel.sources.http.redirects import local_kind, redirect_target
from kubeparcel.sources.http.request import read_body
from kubeparcel.sources.http.session import Session
from kubeparcel.threads import CancelToken
from tests.sources.http.test_hostile_servers import IMPATIENT
from tests.support import upstream_site as sites


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("localhost", "loopback"),
        ("a.localhost.", "loopback"),
        ("0.0.0.0", "loopback"),  # Linux connects to itself
        ("169.254.169.254", "link-local"),
        ("2852039166", "link-local"),
        ("0xa9fea9fe", "link-local"),
        ("::ffff:a9fe:a9fe", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("10.0.0.1", ""),
        ("example.org", ""),
    ],
)
def test_local_addresses_are_recognized_in_every_notation(address, kind):
    assert local_kind(address) == kind


@pytest.fixture
def site() -> Iterator[sites.UpstreamSite]:
    with sites.serve_site() as served:
        yield served


def follow(session: Session, url: str) -> bytes | None:
    return read_body(session, url, CancelToken(), 1000)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("http://127.0.0.2:{port}/y", "redirects to another host, 127.0.0.2"),
        ("http://127.0.0.1:1/y", "redirects to another host, 127.0.0.1:1"),
        ("//127.0.0.2:{port}/y", "another host"),
        ("http://u:p@127.0.0.1.example.org/y", "another host"),
        ("ftp://127.0.0.1/y", "not an http"),
        ("file:///etc/passwd", "not an http"),
        ("http://[::1/", "not an http"),
        ("http://h\x1b[2J/", "not an http"),
    ],
)
def test_redirect_to_a_host_that_nobody_named_is_not_followed(site, target, message):
    with sites.serve_site("127.0.0.2") as other:
        other.files["/y"] = b"secret"
        site.faults["/x"] = [sites.redirect(target.format(port=other.url.rpartition(":")[2]))]
        with pytest.raises(DownloadError, match=message) as caught:
            follow(Session(IMPATIENT, follow=frozenset()), f"{site.url}/x")
        assert "\x1b" not in str(caught.value)
        assert not other.requests


@pytest.mark.parametrize("origin", ["https://example.org/x", "http://example.org/x"])
def test_tls_is_not_lost_at_any_hop(origin):
    with pytest.raises(DownloadError, match="an address without TLS"):
        redirect_target(origin, "https://example.org/x", "http://example.org/x", None, ())


def test_password_stays_with_its_host():
    origin = "http://u:p@example.org/x"
    assert redirect_target(origin, origin, "https://example.org/y", None, ()) == "https://u:p@example.org/y"
    assert redirect_target(origin, origin, "/y", None, ()) == "http://u:p@example.org/y"
    assert redirect_target(origin, origin, "http://cdn.example.org/y", None, ()) == "http://cdn.example.org/y"


def test_redirect_names_the_option_that_allows_its_host(site):
    with sites.serve_site("127.0.0.2") as other:
        other.files["/y"] = b"data"
        site.faults["/x"] = [sites.redirect(f"{other.url}/y")] * 2
        with pytest.raises(DownloadError, match=r"--follow 127\.0\.0\.2"):
            follow(Session(IMPATIENT, follow=frozenset()), f"{site.url}/x")
        assert follow(Session(IMPATIENT, follow=frozenset({"127.0.0.2"})), f"{site.url}/x") == b"data"


def test_redirects_within_the_host_are_followed_but_not_without_end(site):
    site.files["/y"] = b"data"
    site.faults["/x"] = [sites.redirect("/y")]
    session = Session(IMPATIENT, follow=frozenset())
    assert follow(session, f"{site.url}/x") == b"data"
    site.faults["/x"] = [sites.redirect("/x")] * 50
    with pytest.raises(ExternalError, match="redirects more than"):
        follow(session, f"{site.url}/x")
    assert len(site.requests_for("/x")) < 20


def test_body_of_a_redirect_is_not_read(site):
    site.files["/y"] = b"data"

    def endless(handler: sites.Handler, _: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/y")
        handler.end_headers()
        with suppress(OSError):
            while True:
                handler.wfile.write(b"x" * 100_000)

    site.faults["/x"] = [endless]
    assert follow(Session(IMPATIENT), f"{site.url}/x") == b"data"


def test_named_host_is_asked_although_it_is_local_and_others_are_not(site, monkeypatch):
    """A name that resolves to this machine is as local as the address itself."""
    site.files["/y"] = b"secret"
    port = int(site.url.rpartition(":")[2])
    session = Session(IMPATIENT)
    session.named_hosts.add("example.org")
    resolved = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: resolved)
    connection = session.get_adapter("http://inside.example").get_connection_with_tls_context(
        session.prepare_request(requests.Request("GET", f"http://inside.example:{port}/y")), True
    )
    with pytest.raises(DownloadError, match="loopback"):
        connection.urlopen("GET", "/y", retries=False)
    assert not site.requests
