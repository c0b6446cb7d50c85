"""Signatures in the signature header of rpms: verified, and written as rpmsign writes them.

rpmsign itself is not installed wherever debs and rpms are published, and changes files in place;
nfpm signs only while it builds, where the key should not be. The signature covers the main header
(RPMSIGTAG_RSA), which contains the payload's digest: rpm 4.14 and later verify both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import shutil
import struct
from pathlib import Path
from typing import NamedTuple

from kubeparcel.packages.rpm import tags
from kubeparcel.packages.rpm.rpm_metadata import LEAD, Header, Headers
from kubeparcel.repository.signing import openpgp

RSA = tags.SIGNATURES["RSA"]
_OF_HEADER = (RSA, tags.SIGNATURES["DSA"])
_OF_PACKAGE = (tags.SIGNATURES["PGP"], tags.SIGNATURES["GPG"])
_REGION = 62  # RPMTAG_HEADERSIGNATURES
_RESERVED = 1008
_BIN = 7
_ENTRY = struct.Struct(">IIII")
_SIZES = {0: 0, 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}


def header_signatures(headers: Headers) -> list[bytes]:
    """Return the signatures of the header alone, one packet each; damaged ones as empty bytes."""
    signatures = _packets(headers, _OF_HEADER)
    for text in headers.signature.get(tags.SIGNATURES["OPENPGP"], []):
        try:
            signatures.append(base64.b64decode(text))
        except (binascii.Error, ValueError, TypeError):
            signatures.append(b"")
    return signatures


def package_signatures(headers: Headers) -> list[bytes]:
    """Return the signatures of header and payload together, as rpm made them before 4.14."""
    return _packets(headers, _OF_PACKAGE)


def _packets(headers: Headers, numbers: tuple[int, ...]) -> list[bytes]:
    values = (headers.signature.get(tag, b"") for tag in numbers)
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


class SignedCopy(NamedTuple):
    """A signed copy: its digest, its size in bytes, and its lead and headers."""

    sha256: str
    size: int
    head: bytes


def write_signed_copy(
    source: Path, head: bytes, headers: Headers, signature: bytes, target: Path
) -> SignedCopy:
    """Write a signed copy of an rpm, replacing existing signatures."""
    header = _signature_header(headers.signature, signature)
    padding = b"\0" * (-len(header) % 8)
    start = head[:LEAD] + header + padding
    hash_ = hashlib.sha256(start)
    with source.open("rb") as old, target.open("wb") as new:
        new.write(start)
        old.seek(headers.main.start)
        while block := old.read(1 << 20):
            hash_.update(block)
            new.write(block)
        size = new.tell()
    shutil.copymode(source, target)
    return SignedCopy(hash_.hexdigest(), size, start + head[headers.main.start :])


def _signature_header(old: Header, signature: bytes) -> bytes:
    """Return a signature header with the new signature; its region trailer is first and last."""
    dropped = {_REGION, _RESERVED, *tags.SIGNATURES.values()}
    values = {tag: _raw(old, tag) for tag in old.rows if tag not in dropped}
    values[RSA] = (_BIN, len(signature), signature)
    entries, store = [], b""
    for tag, (kind, count, data) in sorted(values.items()):
        store += b"\0" * (-len(store) % max(_SIZES.get(kind, 1), 1))
        entries.append(_ENTRY.pack(tag, kind, len(store), count))
        store += data
    trailer = _ENTRY.pack(_REGION, _BIN, -16 * (len(entries) + 1) & 0xFFFFFFFF, 16)
    first = _ENTRY.pack(_REGION, _BIN, len(store), 16)
    store += trailer
    intro = b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">II", len(entries) + 1, len(store))
    return intro + first + b"".join(entries) + store


def _raw(old: Header, tag: int) -> tuple[int, int, bytes]:
    _, kind, offset, count = old.rows[tag]
    if kind in _SIZES:
        end = offset + _SIZES[kind] * count
    else:
        end = offset
        for _ in range(count):
            end = old.store.index(b"\0", end) + 1
    return kind, count, old.store[offset:end]
