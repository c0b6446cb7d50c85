"""Damage bytes the way that files are damaged and attackers damage them: fields, sizes, counts, text."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import yaml

NUMBERS = (
    *(*range(4), *range(6, 10), 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF),
    *(0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF),
)
"""Limits of integers, and the types of rpm's values."""

TOKENS = (
    *("²".encode(), "٣".encode(), b"-1000", b"9" * 5000, b"0x10", b"1_0", b"nan", b"inf", b"\0", b"\n", b"\xff\xfe"),
    *(b"[" * 2000, b"(" * 500, b'"' * 500, b"../" * 20, b"A" * 5000, b"1:2:3", b"a:1", "\u202e".encode(), b"\x1b[2J"),
)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with one to four changes."""
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(_CHANGES)(data, chance)
    return data


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _number(data: bytes, chance: random.Random) -> bytes:
    size = chance.choice((1, 2, 4, 8))
    number = chance.choice(NUMBERS).to_bytes(8, "big")[-size:]
    offset = chance.randrange(len(data) + 1) & -size
    return data[:offset] + (number if chance.random() < 0.5 else number[::-1]) + data[offset + size :]


def _token(data: bytes, chance: random.Random) -> bytes:
    token, offset = chance.choice(TOKENS), chance.randrange(len(data) + 1)
    return data[:offset] + token + data[offset + chance.choice((0, len(token))) :]


def _digits(data: bytes, chance: random.Random) -> bytes:
    """Replace a digit, as sizes in ar, tar and cpio are text."""
    offsets = [offset for offset, byte in enumerate(data[:4096]) if 0x30 <= byte <= 0x39]
    if not offsets:
        return data
    offset = chance.choice(offsets)
    return data[:offset] + chance.choice((b"9", b"-", b" ", b"f", b"_", b"\xb2")) + data[offset + 1 :]


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _remove(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + data[start + chance.randint(1, 64) :]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + data[start : start + chance.randint(1, 600)] * chance.randint(2, 9) + data[start:]


_CHANGES: Sequence[Callable[[bytes, random.Random], bytes]] = (
    *(_flip, _number, _number, _number, _token, _token),
    *(_digits, _digits, _truncate, _remove, _repeat),
)


_VALUES: Sequence[Any] = (
    *(None, True, -1, 0, 1.5, 1 << 70, float("inf"), "", "x", "²", "../../x", "a\nb", "a//b", "/a", "\u202e"),
    *([], {}, [[]], ["x"], {"x": "x"}, [None], "9" * 5000, ["x"] * 50),
)
"""What a value of a document is replaced by: other types, and texts that must not become paths or lines."""


def damage_document(data: bytes, chance: random.Random) -> bytes:
    """Replace values of a JSON or YAML document, or damage its bytes."""
    if chance.random() < 0.4:
        return mutate(data, chance)
    document = yaml.safe_load(data)
    for _ in range(chance.randint(1, 2)):
        _replace_value(document, chance)
    return json.dumps(document, default=str).encode()


def _replace_value(document: Any, chance: random.Random) -> None:
    """Replace a value at a random depth."""
    keys = [*document] if isinstance(document, dict) else [*range(len(document))]
    if not keys:
        return
    key = chance.choice(keys)
    if isinstance(document[key], dict | list) and document[key] and chance.random() < 0.75:
        _replace_value(document[key], chance)
    elif chance.random() < 0.1:
        del document[key]
    else:
        document[key] = copy.deepcopy(chance.choice(_VALUES))
