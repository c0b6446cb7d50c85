"""Puts a signature into an rpm's signature header, as rpmsign does, with gpg alone.

Not by rpmsign: it is not on every machine that publishes debs and rpms, and changes files in
place. Not by nfpm: it signs while it builds, which would need the key there. What is signed is
the main header (RPMSIGTAG_RSA), which has the payload's digest: what rpm 4.14 and later check.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import shutil
import struct
from pathlib import Path
from typing import NamedTuple

from kubeparcel.packages.rpm.rpm_metadata import LEAD, SIGNATURES, Header, Headers
from kubeparcel.repository.signing import openpgp

RSA = 268
_OVER_HEADER = (RSA, 267)
_OVER_PACKAGE = (1002, 1005)
_OPENPGP = 278
_REGION = 62  # RPMTAG_HEADERSIGNATURES
_RESERVED = 1008
_BIN = 7
_ROW = struct.Struct(">IIII")
_SIZES = {0: 0, 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}


def header_signatures(headers: Headers) -> list[bytes]:
    """Return the signatures of the header alone, one packet each; damaged ones as empty bytes."""
    signatures = _packets(headers, _OVER_HEADER)
    for text in headers.signature.get(_OPENPGP, []):
        try:
            signatures.append(base64.b64decode(text))
        except (binascii.Error, ValueError, TypeError):
            signatures.append(b"")
    return signatures


def package_signatures(headers: Headers) -> list[bytes]:
    """Return the signatures of header and payload together, as rpm made them before 4.14."""
    return _packets(headers, _OVER_PACKAGE)


def _packets(headers: Headers, tags: tuple[int, ...]) -> list[bytes]:
    values = (headers.signature.get(tag, b"") for tag in tags)
    return [value for value in values if isinstance(value, bytes) and value]


def verified_signers(head: bytes, headers: Headers, certificates: bytes) -> frozenset[str]:
    """Return the fingerprints of the keys in `certificates` that signed the header.

    `head` are the rpm's first bytes. If any of its signatures is invalid, by another key, or not
    of the header alone, nobody signed it: rpm rejects a package for one invalid signature.
    """
    if package_signatures(headers):
        return frozenset()
    main = head[headers.main.start : headers.main.end]
    signers = [
        openpgp.verified_signers(signature, main, certificates)
        for signature in header_signatures(headers)
    ]
    return frozenset().union(*signers) if all(signers) else frozenset()


class SignedRpm(NamedTuple):
    """What became of the file."""

    sha256: str
    size: int
    head: bytes


def write_signed_copy(
    source: Path, head: bytes, found: Headers, packet: bytes, target: Path
) -> SignedRpm:
    """Write a copy of an rpm with the signature; older signatures go."""
    lead = head[:LEAD]
    table = _table(found.signature, packet)
    padding = b"\0" * (-len(table) % 8)
    start = lead + table + padding
    state = hashlib.sha256(start)
    with source.open("rb") as old, target.open("wb") as new:
        new.write(start)
        old.seek(found.main.start)
        while block := old.read(1 << 20):
            state.update(block)
            new.write(block)
        size = new.tell()
    shutil.copymode(source, target)
    return SignedRpm(state.hexdigest(), size, start + head[found.main.start :])


def _table(old: Header, packet: bytes) -> bytes:
    """The signature header with the new packet in it; its region trailer stands first and last."""
    drop = {_REGION, _RESERVED, *SIGNATURES}
    values = {tag: _raw(old, tag) for tag in old.rows if tag not in drop}
    values[RSA] = (_BIN, len(packet), packet)
    rows, store = [], b""
    for tag, (kind, count, data) in sorted(values.items()):
        store += b"\0" * (-len(store) % max(_SIZES.get(kind, 1), 1))
        rows.append(_ROW.pack(tag, kind, len(store), count))
        store += data
    trailer = _ROW.pack(_REGION, _BIN, -16 * (len(rows) + 1) & 0xFFFFFFFF, 16)
    first = _ROW.pack(_REGION, _BIN, len(store), 16)
    store += trailer
    intro = b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", len(rows) + 1, len(store))
    return intro + first + b"".join(rows) + store


def _raw(old: Header, tag: int) -> tuple[int, int, bytes]:
    _, kind, offset, count = old.rows[tag]
    if kind in _SIZES:
        end = offset + _SIZES[kind] * count
    else:
        end = offset
        for _ in range(count):
            end = old.store.index(b"\0", end) + 1
    return kind, count, old.store[offset:end]
