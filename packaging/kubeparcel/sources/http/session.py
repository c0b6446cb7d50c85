"""The HTTP session of builds and of the doctor: the system's certificates, proxies and netrc of the environment."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import truststore
from requests.adapters import HTTPAdapter

from kubeparcel import __version__
from kubeparcel.errors import DownloadError
from kubeparcel.sanitize import redact_url
from kubeparcel.sources.http.connection import PeerRule, pool_classes
from kubeparcel.sources.http.redirects import MAX_REDIRECTS, redirect_target
from kubeparcel.sources.http.retry import RetryPolicy

POOL_SIZE = 16
"""Connections to one host that are kept open for the next file."""


class _Adapter(HTTPAdapter):
    """Verifies certificates against the system's store instead of the list that pip installed.

    SSL_CERT_FILE and SSL_CERT_DIR replace that store, REQUESTS_CA_BUNDLE adds to it.
    """

    def __init__(self, rule: PeerRule, policy: RetryPolicy) -> None:
        self.context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.pool_classes = pool_classes(rule, policy)
        super().__init__(pool_maxsize=POOL_SIZE)

    def init_poolmanager(self, *args: Any, **keywords: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self.context, **keywords)
        self.poolmanager.pool_classes_by_scheme = self.pool_classes

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self.context, **keywords)
        if not proxy.startswith("socks"):
            manager.pool_classes_by_scheme = self.pool_classes
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # in its stubs
        if verify is True:
            conn.ca_certs = None


class Session(requests.Session):
    """A session that several threads may share.

    `follow` has the further hosts that redirects may lead to; None means any, for files whose digests are known.
    `named_hosts` are those of the URLs that were requested, other than by redirects; they may be local. With
    `local_kinds` nobody named the URLs, and only these kinds of local addresses are reached.
    """

    def __init__(
        self, policy: RetryPolicy, follow: frozenset[str] | None = None, local_kinds: Iterable[str] | None = None
    ) -> None:
        super().__init__()
        self.policy = policy
        self.follow = follow
        self.named_hosts: set[str] = set()
        self._are_named = local_kinds is None
        self._rule = PeerRule(self.named_hosts, set(local_kinds or ()))
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(self._rule, policy))
        agent = f"kubeparcel/{__version__}"
        # Compressed in transfer, a file would not match its digest.
        self.headers.update({"User-Agent": agent, "Accept-Encoding": "identity", "Accept": "*/*"})

    @property
    def local_kinds(self) -> frozenset[str]:
        """Return the kinds of local addresses that named hosts have."""
        return frozenset(self._rule.local_kinds)

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Return nothing: requests would read a redirect's whole body, and `open` follows them."""
        return iter(())

    def open(self, origin: str, headers: Mapping[str, str], document: str = "") -> requests.Response:
        """Return the response before its body, after redirects, each of which is judged; a `document` is posted.

        Raises DownloadError for a redirect that is not followed, and as requests does.
        """
        if self._are_named:
            self.named_hosts.add((urlsplit(origin).hostname or "").lower())
        timeouts = (self.policy.connect_timeout, self.policy.read_timeout)
        url = origin
        for _ in range(MAX_REDIRECTS):
            response = self.request(
                "POST" if document else "GET",
                url,
                headers=dict(headers),
                data=document or None,
                stream=True,
                timeout=timeouts,
                allow_redirects=False,
            )
            if document or not response.is_redirect:
                return response
            response.close()
            location = response.headers["Location"].encode("latin-1").decode("utf-8", "replace")
            url = redirect_target(origin, url, location, self.follow, self.local_kinds)
        raise DownloadError(f"{redact_url(origin)} redirects more than {MAX_REDIRECTS} times.")
