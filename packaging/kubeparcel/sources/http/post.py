"""Questions to a service that is asked with JSON documents, such as a transparency log."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from kubeparcel.errors import DownloadError
from kubeparcel.sources.http.errors import connection_error
from kubeparcel.sources.http.request import first_bytes, iter_body, status_error
from kubeparcel.sources.http.retry import TransientError
from kubeparcel.sources.http.urls import redact_url

if TYPE_CHECKING:
    from kubeparcel.sources.http.session import Session

_NO_ANSWER = frozenset({400, 404, 405, 410, 501})
"""What servers answer that have no such service, as a mirror of files."""


def post_json(session: Session, url: str, document: Any, max_size: int) -> bytes | None:
    """Return the answer to a document; None if the server has no answer.

    Raises DownloadError for an answer of more than `max_size` bytes or another status, and Unreachable
    without a response, as TransientError if a retry may help.
    """
    from urllib3.exceptions import HTTPError

    timeouts = (session.policy.connect_timeout, session.policy.read_timeout)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        session.name_host(url)
        response = session.post(
            url, data=json.dumps(document), headers=headers, stream=True, timeout=timeouts, allow_redirects=False
        )
    except (OSError, ValueError, HTTPError, HTTPException) as error:
        raise connection_error(url, error, session.policy) from None
    with response:
        if response.status_code in _NO_ANSWER:
            return None
        if response.status_code not in (200, 201):
            failure = status_error(url, response.status_code)
            raise TransientError(failure) if response.status_code >= 500 else failure
        answer = first_bytes(iter_body(response, redact_url(url), session.policy), max_size + 1)
        if len(answer) > max_size:
            raise DownloadError(f"{redact_url(url)} answered with more than {max_size} bytes.")
        return answer
