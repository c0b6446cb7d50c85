"""OpenPGP packets, as far as their age and strength go (RFC 4880, sections 4 and 5.2)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

HASHES = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 8: "SHA-256", 9: "SHA-384", 10: "SHA-512"} | {
    11: "SHA-224",
    12: "SHA3-256",
    14: "SHA3-512",
}
WEAK = {1, 2, 3}
_BLOCK = rb"-----BEGIN PGP (?:SIGNATURE|PUBLIC KEY BLOCK)-----\r?\n(.*?)-----END"
_ARMOR = re.compile(_BLOCK, re.DOTALL)


class Signature(NamedTuple):
    """A signature packet: its version, its type (0x13 certifies a key), its digest algorithm."""

    version: int
    kind: int
    algorithm: int

    @property
    def weakness(self) -> str:
        """What current systems refuse it for; empty when they do not."""
        if self.version < 4:
            return f"version {self.version}"
        if self.algorithm in WEAK:
            return f"digest {HASHES[self.algorithm]}"
        return ""


def dearmored(data: bytes) -> bytes:
    """The binary form of armoured data; what is binary already comes back as it is."""
    blocks = _ARMOR.findall(data)
    if not blocks:
        return b"" if data.lstrip().startswith(b"-----") else data
    found = b""
    for block in blocks:
        lines = block.replace(b"\r\n", b"\n").partition(b"\n\n")[2] or block
        text = b"".join(line for line in lines.split(b"\n") if not line.startswith(b"="))
        try:
            found += base64.b64decode(text)
        except binascii.Error:
            return b""
    return found


def signatures(data: bytes) -> Iterator[Signature]:
    """The signature packets of binary data; stops where it is damaged."""
    for tag, body in packets(data):
        if tag == 2 and len(body) > 4:
            if body[0] < 4 and len(body) > 16:
                yield Signature(body[0], body[2], body[16])
            elif body[0] >= 4:
                yield Signature(body[0], body[1], body[3])


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet."""
    at = 0
    while at + 2 < len(data) and data[at] & 0x80:
        first = data[at]
        new = bool(first & 0x40)
        tag = first & 0x3F if new else first >> 2 & 0x0F
        start, size = _new(data, at + 1) if new else _old(data, at + 1, first & 3)
        if start + size > len(data):
            return
        yield tag, data[start : start + size]
        at = start + size


def _old(data: bytes, at: int, kind: int) -> tuple[int, int]:
    if kind == 3:
        return at, len(data) - at
    count = 1 << kind
    return at + count, int.from_bytes(data[at : at + count], "big")


def _new(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 192:
        return at + 1, first
    if first < 224:
        return at + 2, (first - 192 << 8) + data[at + 1] + 192
    return at + 5, int.from_bytes(data[at + 1 : at + 5], "big")
