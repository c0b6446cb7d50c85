"""What the SBOM formats have in common: claims, licenses, and identifiers and times that depend on the content."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeparcel import __version__
from kubeparcel.model import TIMESTAMP_LIMIT
from kubeparcel.times import iso_time

TOOL = "kubeparcel"
TOOL_VERSION = __version__

Document = dict[str, Any]
"""A JSON object."""

_encode = json.JSONEncoder(ensure_ascii=False).encode
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/kubeparcel/kubeparcel")

NOASSERTION = "NOASSERTION"

HOST_LIBRARY = "Shared library that the host provides; it is not in the package."


@dataclass(frozen=True)
class SbomClaims:
    """The package that an SBOM names: name, whole version, SHA-256 of the package and of its files by path."""

    name: str
    version: str
    sha256: str
    files: Mapping[str, str] = field(default_factory=dict)


def content_uuid(document: Mapping[str, Any]) -> uuid.UUID:
    """Return an identifier of a document's content: the same content has the same one."""
    text = json.dumps(document, sort_keys=True)
    return uuid.uuid5(_NAMESPACE, hashlib.sha256(text.encode()).hexdigest())


def utc(time: int) -> str:
    """Return seconds since 1970 as all formats write them; a later time than packages can have is cut to it."""
    return iso_time(min(time, TIMESTAMP_LIMIT - 1))


def serialize(document: Mapping[str, Any]) -> bytes:
    """Return a document's file, with a line for each row: `json.dumps(indent=1)` would take ten times as long."""

    def lines(value: Any) -> str:
        rows = value if isinstance(value, list) else ()
        return "[\n" + ",\n".join(map(_encode, rows)) + "\n]" if rows else _encode(value)

    fields = (f"{json.dumps(name)}: {lines(value)}" for name, value in document.items())
    return ("{\n" + ",\n".join(fields) + "\n}\n").encode()


def spdx_expression(text: str) -> str:
    """Return a license as a valid SPDX expression; empty if it is not one, such as `proprietary`."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return ""


def reference(text: str) -> str:
    """Return the identifier of a license that SPDX does not list."""
    return f"LicenseRef-{re.sub(r'[^A-Za-z0-9.]+', '-', text).strip('-') or 'unnamed'}"
