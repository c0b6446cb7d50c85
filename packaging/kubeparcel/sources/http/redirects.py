"""Which hosts may be asked: those that a user names, and those that redirects and indexes may lead to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import SplitResult, urljoin, urlsplit

from kubeparcel.errors import DownloadError
from kubeparcel.sanitize import printable, redact_url
from kubeparcel.sources.http.urls import is_host

MAX_REDIRECTS = 10
_PORTS = {"http": 80, "https": 443}


def local_kind(host: str) -> str:
    """Return `loopback` or `link-local` if a host name or address is one in any notation, else an empty text.

    Metadata services of clouds, which hand out credentials, have link-local addresses.
    """
    name = host.strip("[]").rstrip(".").partition("%")[0].lower()
    if name == "localhost" or name.endswith(".localhost"):
        return "loopback"
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(name))  # 127.1, 0x7f000001, 2130706433
        except (OSError, ValueError):
            return ""
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    return "link-local" if address.is_link_local else ""


def redirect_target(origin: str, url: str, location: str, follow: frozenset[str] | None, local: Iterable[str]) -> str:
    """Return where a redirect of `url` leads; `origin` began the chain. Raises as `check_reference` does."""
    with suppress(ValueError):
        target = urljoin(url, location)
        check_reference(f"{redact_url(url)} redirects to", origin, target, follow, local)
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise DownloadError(f"{redact_url(url)} redirects to an address without TLS.")
        return _with_credentials(origin, target)
    raise DownloadError(f"{redact_url(url)} redirects to {_shown(location)}, which is not an http or https URL.")


def check_reference(
    subject: str, origin: str, url: str, follow: frozenset[str] | None, local: Iterable[str] = ()
) -> None:
    """Raise DownloadError unless a URL may be read that a server or an index names; `subject` begins the message.

    It may be on the host of `origin`, also with TLS, or on a host in `follow`, which has names or `NAME:PORT`; any
    host may be read if that is None. Local addresses may be read only if `origin` has one of the same kind, or `local`
    contains the kind.
    """
    target = _split(url)
    if target is None:
        raise DownloadError(f"{subject} {_shown(url)}, which is not an http or https URL.")
    source = _split(origin)
    if source is not None and source.scheme == "https" and target.scheme != "https":
        raise DownloadError(f"{subject} an address without TLS.", f"Address: {_shown(url)}")
    if source is not None and _is_same_host(source, target):
        return
    host = str(target.hostname)
    label = host if target.port in (None, _PORTS[target.scheme]) else f"{host}:{target.port}"
    kind = local_kind(host)
    if kind and kind not in {*local, local_kind(source.hostname or "") if source else "loopback"}:
        raise DownloadError(f"{subject} {_shown(url)}, a {kind} address.", "Such addresses are not followed.")
    if follow is not None and not {host, label} & follow:
        raise DownloadError(f"{subject} another host, {_shown(label)}.", f"If you trust it: --follow {_shown(host)}")


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL that can be requested; None for any other text."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in _PORTS and is_host(parts.hostname or "") and parts.port != 0 and url.isprintable()
    except ValueError:
        return None
    return parts if valid else None


def _is_same_host(origin: SplitResult, target: SplitResult) -> bool:
    """Return whether host and port are the same, or the target is the host's twin with TLS."""
    if origin.hostname != target.hostname:
        return False
    ports = [parts.port or _PORTS[parts.scheme] for parts in (origin, target)]
    return ports[0] == ports[1] or (origin.scheme, target.scheme) == ("http", "https")


def _with_credentials(origin: str, url: str) -> str:
    """Return a URL with the user name and password of the first one, if it is on the same host."""
    first, target = urlsplit(origin), urlsplit(url)
    if "@" in target.netloc or "@" not in first.netloc or not _is_same_host(first, target):
        return url
    return target._replace(netloc=f"{first.netloc.rpartition('@')[0]}@{target.netloc}").geturl()


def _shown(text: str) -> str:
    return printable(redact_url(text[:200]))
