"""Parse numbers in the texts of packages."""

from __future__ import annotations

import functools

from kubeparcel.packages.errors import MalformedData
from kubeparcel.sanitize import is_number


def parse_number(text: str, name: str, base: int = 10) -> int:
    """Return a number of at most 64 bits; raise MalformedData, naming `name`, for any other text."""
    if not is_number(text, base):
        raise MalformedData(f"{name} is {text[:40]!r}, which is not a number")
    return int(text, base)


@functools.lru_cache(1_000)
def digits_key(digits: str) -> tuple[int, str]:
    """Return a key that sorts decimal numbers of any length."""
    significant = digits.lstrip("0")
    return len(significant), significant
