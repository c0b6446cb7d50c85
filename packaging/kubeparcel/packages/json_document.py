"""Parse JSON that others wrote."""

from __future__ import annotations

import json
import re
from typing import Any

from kubeparcel.packages import limits
from kubeparcel.packages.errors import MalformedData

_BRACKETS_AND_STRINGS = re.compile(r'[\[{]|[\]}]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(data: bytes, name: str) -> Any:
    """Return the value of a document; raise MalformedData, naming `name`, if it is invalid or too deep.

    Text has no surrogates without their other half, which no file and no terminal could have, and numbers are finite,
    as in RFC 8259. No object has a key twice: one reader takes the first, another the last.
    """
    try:
        text = data.decode()
        _check_depth(text, name)
        document = json.loads(text, parse_constant=_reject_constant, object_pairs_hook=_unique)
        if _SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()
    except MalformedData:
        raise
    except ValueError as error:
        raise MalformedData(f"{name} is not valid JSON ({error})") from None
    return document


def _reject_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(key for key in keys if keys.count(key) > 1)!r:.80}")
    return values


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
