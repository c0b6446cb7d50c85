"""Signatures in the signature header of rpms: verified, and written as rpmsign writes them.

rpmsign itself is not installed wherever debs and rpms are published, and changes files in place;
nfpm signs only while it builds, where the key should not be. The signature covers the main header
(RPMSIGTAG_RSA), which contains the payload's digest: rpm 4.14 and later verify both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from pathlib import Path

from kubeparcel.packages.digest import HashedFile
from kubeparcel.packages.rpm import tags
from kubeparcel.packages.rpm.header import HEADER_MAGIC, LEAD_SIZE, Header, Headers
from kubeparcel.repository.signing import openpgp

SIGNATURE_TAG = tags.SIG_RSA
_BINARY = 7
_ENTRY = struct.Struct(">IIII")
_SIZES = {0: 0, 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}


def header_signatures(headers: Headers) -> list[bytes]:
    """Return the signatures of the header alone, one packet each; damaged ones as empty bytes."""
    signatures = _packets(headers, tags.SIG_RSA, tags.SIG_DSA)
    for text in headers.signature.texts(tags.SIG_OPENPGP):
        try:
            signatures.append(base64.b64decode(text))
        except (binascii.Error, ValueError, TypeError):
            signatures.append(b"")
    return signatures


def package_signatures(headers: Headers) -> list[bytes]:
    """Return the signatures of header and payload together, as rpm made them before 4.14."""
    return _packets(headers, tags.SIG_PGP, tags.SIG_GPG)


def _packets(headers: Headers, *signature_tags: int) -> list[bytes]:
    packets = map(headers.signature.binary, signature_tags)
    return [packet for packet in packets if packet]


def verified_signers(head: bytes, headers: Headers, certificates: bytes) -> frozenset[str]:
    """Return the fingerprints of the keys in `certificates` that signed the header.

    `head` are the rpm's first bytes. If any of its signatures is invalid, by another key, or not
    of the header alone, nobody signed it: rpm rejects a package for one invalid signature.
    """
    if package_signatures(headers):
        return frozenset()
    main = head[headers.main.start : headers.main.end]
    signers = [openpgp.verified_signers(signature, main, certificates) for signature in header_signatures(headers)]
    return frozenset().union(*signers) if all(signers) else frozenset()


def write_signed_copy(source: Path, head: bytes, headers: Headers, signature: bytes, target: Path) -> HashedFile:
    """Write a signed copy of an rpm, replacing existing signatures; the head of the result are lead and headers."""
    header = _signature_header(headers.signature, signature)
    padding = b"\0" * (-len(header) % 8)
    start = head[:LEAD_SIZE] + header + padding
    hash_ = hashlib.sha256(start)
    with source.open("rb") as old, target.open("wb") as new:
        new.write(start)
        old.seek(headers.main.start)
        while block := old.read(1 << 20):
            hash_.update(block)
            new.write(block)
        size = new.tell()
    return HashedFile(start + head[headers.main.start :], size, hash_.hexdigest())


def _signature_header(old: Header, signature: bytes) -> bytes:
    """Return a signature header with the new signature; its region trailer is first and last."""
    dropped = {tags.HEADERSIGNATURES, tags.SIG_RESERVEDSPACE, *tags.SIGNATURES.values()}
    values = {tag: _raw(old, tag) for tag in old.entries if tag not in dropped}
    values[SIGNATURE_TAG] = (_BINARY, len(signature), signature)
    entries, store = [], b""
    for tag, (kind, count, data) in sorted(values.items()):
        store += b"\0" * (-len(store) % max(_SIZES.get(kind, 1), 1))
        entries.append(_ENTRY.pack(tag, kind, len(store), count))
        store += data
    offset = -16 * (len(entries) + 1) & 0xFFFFFFFF
    trailer = _ENTRY.pack(tags.HEADERSIGNATURES, _BINARY, offset, 16)
    first = _ENTRY.pack(tags.HEADERSIGNATURES, _BINARY, len(store), 16)
    store += trailer
    intro = HEADER_MAGIC + b"\0\0\0\0" + struct.pack(">II", len(entries) + 1, len(store))
    return intro + first + b"".join(entries) + store


def _raw(old: Header, tag: int) -> tuple[int, int, bytes]:
    _, kind, offset, count = old.entries[tag]
    if kind in _SIZES:
        end = offset + _SIZES[kind] * count
    else:
        end = offset
        for _ in range(count):
            end = old.store.index(b"\0", end) + 1
    return kind, count, old.store[offset:end]
