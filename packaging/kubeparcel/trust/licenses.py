"""Licences as SBOM formats want them: SPDX expressions, or a text of the packager's own."""

from __future__ import annotations

import re

NOASSERTION = "NOASSERTION"


def spdx_expression(text: str) -> str:
    """Return a licence as a valid SPDX expression; empty if it is none, such as `proprietary`."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return ""


def reference(text: str) -> str:
    """Return the identifier of a licence that SPDX does not list."""
    return f"LicenseRef-{re.sub(r'[^A-Za-z0-9.]+', '-', text).strip('-') or 'unnamed'}"
