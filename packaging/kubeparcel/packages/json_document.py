"""Parse JSON that others wrote."""

from __future__ import annotations

import json
import re
from typing import Any

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData

_BRACKETS_AND_STRINGS = re.compile(r'[\[{]|[\]}]|"(?:[^"\\]|\\.)*+"', re.DOTALL)


def parse_json(data: bytes, name: str) -> Any:
    """Return the value of a document; raise MalformedData, naming `name`, if it is invalid or too deep."""
    try:
        text = data.decode()
        _check_depth(text, name)
        return json.loads(text)
    except MalformedData:
        raise
    except ValueError as error:
        raise MalformedData(f"{name} is not valid JSON ({error})") from None


def _check_depth(text: str, name: str) -> None:
    """Python's parser recurses, and so does whoever walks through the result."""
    depth = 0
    for match in _BRACKETS_AND_STRINGS.finditer(text):
        first = match[0][0]
        if first in "[{":
            depth += 1
            limits.JSON_DEPTH.check(depth, name)
        elif first != '"':
            depth -= 1
