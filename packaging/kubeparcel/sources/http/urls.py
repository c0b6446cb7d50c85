"""The parts of URLs that users give, checked."""

from __future__ import annotations

from urllib.parse import urlsplit

from kubeparcel.errors import ConfigurationError
from kubeparcel.sanitize import redact_url

_NOT_IN_HOSTS = set("[] /\\?#@<>\"'`{}|^")


def host_of(url: str) -> str:
    """Return the host and port of a URL, without credentials."""
    return urlsplit(url).netloc.rpartition("@")[2]


def is_host(name: str) -> bool:
    """Return whether a text can be a host's name or address."""
    try:
        name.encode("idna")  # no empty or too long label
    except UnicodeError:
        return False
    return bool(name.strip(".")) and name.isprintable() and not _NOT_IN_HOSTS & set(name)


def check_url(url: str) -> str:
    """Return a URL. Raises ConfigurationError if it has no valid host and port, although its scheme needs them."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "file" or (is_host(parts.hostname or "") and parts.port != 0)
    except ValueError:
        valid = False
    if not valid:
        raise ConfigurationError(
            f"Invalid URL {redact_url(url)!r}: no valid host and port.",
            "Expected https://HOST[:PORT]/PATH. In a password, write / ? # @ as %2F %3F %23 %40.",
        )
    return url
