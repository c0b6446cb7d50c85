"""What is wrong with a bucket's URL, its AWS_* variables, or the answer of its server."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from kubeparcel.errors import ConfigurationError, ExternalError
from kubeparcel.repository.storage.base import check_path
from kubeparcel.sanitize import redact_url

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_DEFAULT_REGION = "us-east-1"
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAX_REASON = 300
_ENDPOINT_HINT = "Check AWS_ENDPOINT_URL: it is the URL of the S3 server, and must be unset for AWS itself."
_BUCKET_HINT = "Create it, or check its name, AWS_ENDPOINT_URL and AWS_REGION."

_ANSWERS = (
    (
        r"/latest/(api/token|meta-data)|169\.254\.170\.2/",
        "no credentials, neither in the environment nor from a cloud's metadata service.",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; ~/.aws/credentials is not read.",
    ),
    ("<Code>NoSuchBucket", "the bucket does not exist.", _BUCKET_HINT),
    (
        "<Code>InvalidBucketName",
        "invalid bucket name.",
        "Bucket names have 3 to 63 lower-case letters, digits, dots and hyphens.",
    ),
    (
        "<Code>InvalidAccessKeyId",
        "the server does not know the access key.",
        "Check AWS_ACCESS_KEY_ID. For a server other than AWS, set AWS_ENDPOINT_URL.",
    ),
    (
        "<Code>SignatureDoesNotMatch",
        "the secret key does not belong to the access key.",
        "Check AWS_SECRET_ACCESS_KEY.",
    ),
    (
        "<Code>(ExpiredToken|InvalidToken)",
        "the session token is invalid or has expired.",
        "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new values.",
    ),
    (
        "<Code>RequestTimeTooSkewed",
        "the clock of this machine differs from the server's.",
        "Set the clock and run the same command again.",
    ),
    (
        "<Code>(PermanentRedirect|AuthorizationHeader|IllegalLocation)|configured region",
        "the bucket is not in region {region}.",
        "Set AWS_REGION to the region of the bucket.",
    ),
    (
        "status code: 40[13]",
        "access denied (HTTP 401 or 403).",
        "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy.",
    ),
    ("status code: 404", "the bucket does not exist.", _BUCKET_HINT),
    ("failed to lookup address", "cannot connect to {endpoint}: unknown host.", _ENDPOINT_HINT),
    ("ConnectionRefused", "cannot connect to {endpoint}: connection refused.", _ENDPOINT_HINT),
    (
        "InvalidContentType|InvalidMessage|[Cc]ertificate",
        "cannot connect to {endpoint}: no TLS, or an untrusted certificate.",
        "Check AWS_ENDPOINT_URL: a server without TLS has a URL that begins with http://.",
    ),
    ("TimedOut|timed out", "{endpoint} timed out.", _ENDPOINT_HINT),
    ("kind: Connect|builder error", "cannot connect to {endpoint}.", _ENDPOINT_HINT),
    (
        "MissingEtag|list response|status code: (30.|405)",
        "{endpoint} does not answer like an S3 server.",
        _ENDPOINT_HINT,
    ),
)
"""Patterns of obstore's error texts, each with its message and hint. Codes: docs.aws.amazon.com,
"Amazon S3 API Reference, Error responses"."""


def parse_url(url: str) -> tuple[str, str]:
    """Return bucket and prefix of `s3://BUCKET/PREFIX`; raises ConfigurationError."""
    bucket, _, prefix = url.removeprefix("s3://").rstrip("/").partition("/")
    if not bucket:
        raise ConfigurationError(f"No bucket name in {url}.", "Write s3://BUCKET/PREFIX.")
    if not _BUCKET_NAME.fullmatch(bucket):
        shown = redact_url(url)
        if shown != url:
            raise ConfigurationError(
                f"{shown} was given with credentials.",
                f"Write s3://BUCKET/PREFIX, and set {' and '.join(CREDENTIALS)}.",
            )
        raise ConfigurationError(f"Invalid bucket name {bucket!r} in {url}.", "Write s3://BUCKET/PREFIX.")
    return bucket, check_path(prefix) if prefix else ""


def read_endpoint() -> str:
    """Return the URL of the S3 server from the environment; empty for AWS itself.

    Raises ConfigurationError if it, or one of the two credentials, cannot be right.
    """
    if any(name in os.environ for name in CREDENTIALS):
        for name in CREDENTIALS:
            if not os.environ.get(name):
                problem = "is empty" if name in os.environ else "is not set"
                raise ConfigurationError(
                    f"{name} {problem}.",
                    f"Set both {' and '.join(CREDENTIALS)}; in CI, check the names of the secrets.",
                )
    name = _first_set(*_ENDPOINTS)
    if not name:
        return ""
    _check_endpoint(name, os.environ[name])
    return os.environ[name]


def _check_endpoint(name: str, endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not endpoint.isprintable() or " " in endpoint:
        raise ConfigurationError(
            f"Invalid {name} {endpoint!r}.", "Set it to the URL of the S3 server, such as https://s3.example.com."
        )


def external_error(location: str, text: str, progress: str = "") -> ExternalError:
    """Return the error about a request that failed with this text of obstore.

    `progress` describes what a failed publish left behind.
    """
    values = {
        "region": os.environ.get(_first_set("AWS_REGION", "AWS_DEFAULT_REGION"), _DEFAULT_REGION),
        "endpoint": os.environ.get(_first_set(*_ENDPOINTS), "AWS"),
    }
    reason, hint = text.split("\n", 1)[0][:_MAX_REASON], ""
    for pattern, message, next_step in _ANSWERS:
        if re.search(pattern, text):
            reason, hint = message.format_map(values), next_step
            break
    lines = "\n".join(line for line in (hint, progress) if line)
    return ExternalError(f"{location}: {reason}", lines)


def _first_set(*variables: str) -> str:
    """Return the first of these environment variables that is set; empty if none is."""
    return next((name for name in variables if os.environ.get(name)), "")
