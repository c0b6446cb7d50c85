"""Parse numbers in the texts of packages: ASCII digits only, and not without end as int() accepts them."""

from __future__ import annotations

import re

from kubeparcel.packages.errors import MalformedData

_DIGITS = {8: re.compile(r"[0-7]{1,22}"), 10: re.compile(r"[0-9]{1,19}")}


def parse_number(text: str, name: str, base: int = 10) -> int:
    """Return a number of at most 64 bits; raise MalformedData, naming `name`, for any other text."""
    if not _DIGITS[base].fullmatch(text):
        raise MalformedData(f"{name} is {text[:40]!r}, which is not a number")
    return int(text, base)


def digits_key(digits: str) -> tuple[int, str]:
    """Return a key that sorts decimal numbers of any length."""
    significant = digits.lstrip("0")
    return len(significant), significant
