"""Describes network errors in plain words, and distinguishes transient from permanent ones."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping

from kubeparcel.errors import ConfigurationError, Unreachable
from kubeparcel.sources.http.retry import RetryPolicy, Stalled, TransientError, Unusable
from kubeparcel.sources.http.urls import host_of

_STATUS_NOTES: Mapping[int, tuple[str, str]] = {
    401: ("authentication required", "Put user and password into ~/.netrc."),
    403: ("access denied, possibly by a proxy", "Check the URL, and HTTPS_PROXY and NO_PROXY."),
    404: ("file not found", ""),
    407: ("proxy authentication required", "Put user and password into HTTPS_PROXY."),
    410: ("the file was withdrawn", ""),
    429: ("too many requests", "Wait a few minutes and run the same command again."),
}
NETWORK_HINT = "Check the network and the proxy settings (HTTPS_PROXY, NO_PROXY), then run the command again."
_CERTIFICATE_HINT = (
    "If it is your own certificate: add its certificate authority to the system's store, "
    "or set SSL_CERT_FILE to the authority's file."
)


def describe_status(code: int) -> tuple[str, str]:
    """Return an HTTP status in words (`answered 404 (file not found)`), and a hint."""
    note, hint = _STATUS_NOTES.get(code, ("server error" if code >= 500 else "", ""))
    return f"answered {code}" + (f" ({note})" if note else ""), hint


def describe_error(error: BaseException, timeout: float) -> tuple[str, str]:
    """Return why a host cannot be used, as a predicate (`refused the connection`), and a hint."""
    causes = tuple(_cause_chain(error))
    matches = [
        (kind, describe, cause) for kind, describe in _DESCRIPTIONS for cause in causes if isinstance(cause, kind)
    ]
    kind, describe, cause = matches[0] if matches else (OSError, _describe_os_error, causes[0])
    by_proxy = any(type(cause).__name__ == "ProxyError" for cause in causes)
    predicate = ("cannot be reached: the proxy " if by_proxy else "") + describe(cause, timeout)
    return predicate, _CERTIFICATE_HINT if kind is ssl.SSLCertVerificationError else NETWORK_HINT


def connection_error(url: str, error: BaseException, policy: RetryPolicy) -> Exception:
    """Return the Unreachable for a request without response; transient ones as TransientError."""
    import requests

    if "CA certificate bundle" in str(error):
        return ConfigurationError(f"{error}.", "Check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE.")
    connecting = isinstance(error, requests.ConnectTimeout)
    timeout = policy.connect_timeout if connecting else policy.read_timeout
    predicate, hint = describe_error(error, timeout)
    unreachable = Unreachable(f"{host_of(url)} {predicate}.", hint)
    permanent_kinds = (ssl.SSLCertVerificationError, ValueError, requests.TooManyRedirects)
    permanent = any(
        isinstance(cause, permanent_kinds) or "Tunnel connection failed: 4" in str(cause)
        for cause in _cause_chain(error)
    )
    return unreachable if permanent else TransientError(unreachable)


def _cause_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the first cause, what it led to, and so on up to the error."""
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _cause_chain(cause)
    yield error


def _describe_os_error(error: BaseException, _: float) -> str:
    text = getattr(error, "strerror", None)
    return f"cannot be reached: {text}" if text else f"failed: {error}"


_DESCRIPTIONS: tuple[tuple[type[BaseException], Callable[[BaseException, float], str]], ...] = (
    (ssl.SSLCertVerificationError, lambda e, _: f"has an untrusted certificate: {getattr(e, 'verify_message', e)}"),
    (ssl.SSLError, lambda e, _: f"failed the TLS handshake: {getattr(e, 'reason', None) or e}"),
    (socket.gaierror, lambda _, __: "cannot be resolved (DNS lookup failed)"),
    (ConnectionRefusedError, lambda _, __: "refused the connection"),
    (Stalled, lambda e, _: str(e)),
    (Unusable, lambda e, _: str(e)),
    (TimeoutError, lambda _, timeout: f"did not answer within {timeout:g} s"),
    (ConnectionError, lambda _, __: "closed the connection"),
    (http.client.HTTPException, lambda _, __: "closed the connection"),
    (OSError, _describe_os_error),
)
