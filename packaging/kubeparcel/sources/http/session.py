"""HTTP sessions that use the system's certificates, and proxies and netrc of the environment."""

from __future__ import annotations

import ssl
from typing import Any

import requests
import truststore
from requests.adapters import HTTPAdapter

from kubeparcel import __version__

POOL_SIZE = 16
"""Connections to one host that are kept open for the next file."""


class SystemTrustAdapter(HTTPAdapter):
    """Verifies certificates against the system's store instead of the list that pip installed.

    SSL_CERT_FILE and SSL_CERT_DIR replace that store, REQUESTS_CA_BUNDLE adds to it.
    """

    def __init__(self, pool_maxsize: int) -> None:
        self.context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().__init__(pool_maxsize=pool_maxsize)

    def init_poolmanager(self, *args: Any, **keywords: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self.context, **keywords)

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self.context, **keywords)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # in its stubs
        if verify is True:
            conn.ca_certs = None


def create_session() -> requests.Session:
    """Return a session that several threads may share."""
    session = requests.Session()
    session.mount("https://", SystemTrustAdapter(pool_maxsize=POOL_SIZE))
    session.mount("http://", HTTPAdapter(pool_maxsize=POOL_SIZE))
    # Compressed in transfer, a file would not match its digest.
    session.headers.update({"User-Agent": f"kubeparcel/{__version__}", "Accept-Encoding": "identity", "Accept": "*/*"})
    return session
