"""An HTTP session that trusts what the system trusts; proxies and netrc are the environment's."""

from __future__ import annotations

import ssl
from typing import Any

import requests
import truststore
from requests.adapters import HTTPAdapter

from kubeparcel import __version__

CONNECTIONS = 16
"""How many connections to one host are kept for the next file."""


class SystemTrustAdapter(HTTPAdapter):
    """Certificates are checked against the system's store, not against a list that pip brought.

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
    """A session that several threads may share."""
    made = requests.Session()
    made.mount("https://", SystemTrustAdapter(pool_maxsize=CONNECTIONS))
    made.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    # A file must arrive as its digest knows it: not packed by the server on the way.
    made.headers.update(
        {"User-Agent": f"kubeparcel/{__version__}", "Accept-Encoding": "identity", "Accept": "*/*"}
    )
    return made
