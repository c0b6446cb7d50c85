"""OpenPGP packets, as far as their age and strength go (RFC 4880, sections 4, 5.2 and 12.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

HASHES = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 8: "SHA-256", 9: "SHA-384", 10: "SHA-512"} | {
    11: "SHA-224",
    12: "SHA3-256",
    14: "SHA3-512",
}
WEAK = {1, 2, 3}
CERTIFIES = {0x10, 0x11, 0x12, 0x13, 0x18, 0x1F}
_BLOCK = rb"-----BEGIN PGP (?:SIGNATURE|PUBLIC KEY BLOCK)-----\r?\n(.*?)-----END"
_ARMOR = re.compile(_BLOCK, re.DOTALL)
_SIGNATURE, _KEY, _SUBKEY, _USER = 2, 6, 14, 13
_CREATED, _LASTS, _ISSUER = 2, 3, 16


class Signature(NamedTuple):
    """A signature packet: its version, its type (0x13 certifies a key), its digest algorithm.

    `issuer` is the number of the key it is by, in capitals. `created` and `expires` are in
    seconds since 1970; `expires` is 0 when it never does.
    """

    version: int
    kind: int
    algorithm: int
    issuer: str = ""
    created: int = 0
    expires: int = 0

    @property
    def weakness(self) -> str:
        """What current systems refuse it for; empty when they do not."""
        if self.version < 4:
            return f"version {self.version}"
        if self.algorithm in WEAK or self.algorithm not in HASHES:
            return f"digest {HASHES.get(self.algorithm, self.algorithm)}"
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


def is_key(data: bytes) -> bool:
    """Whether this, armoured or not, begins as a public key does."""
    return next(packets(dearmored(data)), (0, b""))[0] == _KEY


def signatures(data: bytes) -> Iterator[Signature]:
    """The signature packets of binary data; stops where it is damaged."""
    for tag, body in packets(data):
        found = _signature(body) if tag == _SIGNATURE else None
        if found:
            yield found


def vouching(data: bytes) -> Iterator[tuple[str, Signature]]:
    """For each part of each key the newest signature by the key itself, with the key's number."""
    newest: dict[tuple[str, bytes, int], tuple[str, Signature]] = {}
    owner, part = "", b""
    for tag, body in packets(data):
        if tag == _KEY:
            owner = _number(body)
        if tag in (_KEY, _SUBKEY, _USER):
            part = body
        found = _signature(body) if tag == _SIGNATURE else None
        if found and found.kind in CERTIFIES and found.issuer in ("", owner):
            place = owner, part, found.kind  # two keys may be of one person
            before = newest.get(place)
            if before is None or found.created >= before[1].created:
                newest[place] = (owner, found)
    yield from newest.values()


def _number(body: bytes) -> str:
    """A key's number: the end of the fingerprint that version 4 has (section 12.2)."""
    head = b"\x99" + len(body).to_bytes(2, "big")
    return hashlib.sha1(head + body, usedforsecurity=False).hexdigest()[-16:].upper()


def _signature(body: bytes) -> Signature | None:
    if len(body) < 19:
        return None
    if body[0] < 4:
        created = int.from_bytes(body[3:7], "big")
        return Signature(body[0], body[2], body[16], body[7:15].hex().upper(), created)
    if body[0] > 4:
        return Signature(body[0], body[1], body[3])
    size = int.from_bytes(body[4:6], "big")
    hashed = dict(_subpackets(body[6 : 6 + size]))
    rest = int.from_bytes(body[6 + size : 8 + size], "big")
    both = dict(_subpackets(body[8 + size : 8 + size + rest])) | hashed
    created = int.from_bytes(hashed.get(_CREATED, b""), "big")
    lasts = int.from_bytes(hashed.get(_LASTS, b""), "big")
    issuer = both.get(_ISSUER, b"").hex().upper()
    return Signature(4, body[1], body[3], issuer, created, created + lasts if lasts else 0)


def _subpackets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 1 < len(data):
        start, size = _new(data + b"\0" * 5, at)
        if size < 1 or start + size > len(data):
            return
        yield data[start] & 0x7F, data[start + 1 : start + size]
        at = start + size


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
