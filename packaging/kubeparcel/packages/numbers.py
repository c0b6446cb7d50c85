"""Parse numbers in the texts of packages."""

from __future__ import annotations

from kubeparcel.packages.errors import MalformedData
from kubeparcel.sanitize import is_number


def parse_number(text: str, name: str, base: int = 10) -> int:
    """Return a number of at most 64 bits; raise MalformedData, naming `name`, for any other text."""
    if not is_number(text, base):
        raise MalformedData(f"{name} is {text[:40]!r}, which is not a number")
    return int(text, base)
