"""What went wrong on the network, in plain words, and whether trying again may help."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from kubeparcel.errors import ConfigurationError, Unreachable
from kubeparcel.sources.http.retry import RetryPolicy, TransientError

_NOTES: Mapping[int, tuple[str, str]] = {
    401: ("it wants a user and password", "Put them into ~/.netrc."),
    403: (
        "not allowed; or a proxy in between?",
        "Check the address, and HTTPS_PROXY and NO_PROXY.",
    ),
    404: ("there is no such file", ""),
    407: ("the proxy wants a user and password", "Put them into HTTPS_PROXY."),
    410: ("the file was withdrawn", ""),
    429: ("too many requests", "Wait some minutes and run the same command again."),
}
NETWORK_HINT = (
    "Check the network and the proxy settings (HTTPS_PROXY, NO_PROXY), then run it again."
)
_TRUST_TODO = (
    "If it is your own: add its certificate authority to the system's store, "
    "or name the authority's file in SSL_CERT_FILE."
)


def host_of(url: str) -> str:
    """The host of an address, with its port; never a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def redact_url(url: str) -> str:
    """An address as it may be shown and written to logs: without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=host_of(url)).geturl()


def describe_status(code: int) -> tuple[str, str]:
    """An HTTP status as words, and what to do about it."""
    note, todo = _NOTES.get(code, ("the server has trouble" if code >= 500 else "", ""))
    return f"answered {code}" + (f" ({note})" if note else ""), todo


def describe_error(error: BaseException, patience: float) -> tuple[str, str]:
    """Why a host cannot be talked to, as the rest of a sentence about it, and what to do."""
    chain = tuple(_chain(error))
    links = [(kind, say, link) for kind, say in _WORDS for link in chain if isinstance(link, kind)]
    kind, say, link = links[0] if links else (type(chain[0]), _of_the_system, chain[0])
    proxied = any(type(link).__name__ == "ProxyError" for link in chain)
    said = ("cannot be reached: the proxy " if proxied else "") + say(link, patience)
    return said, _TRUST_TODO if kind is ssl.SSLCertVerificationError else NETWORK_HINT


def connection_error(url: str, error: BaseException, policy: RetryPolicy) -> Exception:
    """What to raise when there is no answer: Unreachable, inside Passing when that may pass."""
    import requests

    if "CA certificate bundle" in str(error):
        return ConfigurationError(f"{error}.", "Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE.")
    limit = (
        policy.connect_timeout
        if isinstance(error, requests.ConnectTimeout)
        else policy.read_timeout
    )
    said, todo = describe_error(error, limit)
    reason = Unreachable(f"{host_of(url)} {said}.", todo)
    wrong = (ssl.SSLCertVerificationError, ValueError, requests.TooManyRedirects)
    lasting = any(
        isinstance(link, wrong) or "Tunnel connection failed: 4" in str(link)
        for link in _chain(error)
    )
    return reason if lasting else TransientError(reason)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The first cause, and what it led to, up to the error."""
    earlier = error.__cause__ or error.__context__
    if earlier is not None:
        yield from _chain(earlier)
    yield error


def _of_the_system(error: BaseException, _: float) -> str:
    said = getattr(error, "strerror", None)
    return f"cannot be reached: {said}" if said else f"said: {error}"


_WORDS: tuple[tuple[type[BaseException], Callable[[BaseException, float], str]], ...] = (
    (
        ssl.SSLCertVerificationError,
        lambda e, _: f"shows a certificate that is not trusted: {getattr(e, 'verify_message', e)}",
    ),
    (ssl.SSLError, lambda e, _: f"does not talk TLS with us: {getattr(e, 'reason', None) or e}"),
    (socket.gaierror, lambda _, __: "cannot be found: name resolution failed"),
    (ConnectionRefusedError, lambda _, __: "refused the connection"),
    (TimeoutError, lambda _, patience: f"did not answer within {patience:g} s"),
    (ConnectionError, lambda _, __: "broke the connection off"),
    (http.client.HTTPException, lambda _, __: "broke the connection off"),
    (OSError, _of_the_system),
)
