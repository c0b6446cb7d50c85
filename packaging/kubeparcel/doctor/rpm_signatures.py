"""Judges the signatures that rpms have in them (rpm 4.18, docs/manual/signatures.md)."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kubeparcel.doctor.findings import CheckKind, Fault
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.signatures import problems
from kubeparcel.packages.rpm.rpm_metadata import Headers

_OVER_HEADER = (268, 267)
_OPENPGP = 278
_OVER_ALL = (1002, 1005)
TODO = "Sign it (rpmsign --addsign, or inv publish): clients with gpgcheck=1 refuse it."


def signed(
    source: RepositoryReader, path: str, found: Headers, head: bytes, ring: TrustedKeys
) -> Iterator[Fault]:
    """What is wrong with an rpm's signature; whoever asks says it when there is none at all."""
    over_header = list(_over_header(found))
    main = head[found.main.start : found.main.end]
    for packet in over_header:
        yield from problems(CheckKind.RPM_SIGNATURE, ring, packet, main, path)
    if over_header:
        return
    for packet in _packets(found, _OVER_ALL):
        yield from _over_all(source, path, found.main.start, packet, ring)


def _packets(found: Headers, tags: tuple[int, ...]) -> Iterator[bytes]:
    rows = (found.signature.get(tag, b"") for tag in tags)
    yield from (row for row in rows if isinstance(row, bytes) and row)


def _over_header(found: Headers) -> Iterator[bytes]:
    yield from _packets(found, _OVER_HEADER)
    for text in found.signature.get(_OPENPGP, []):
        try:
            yield base64.b64decode(text)
        except (binascii.Error, ValueError, TypeError):
            yield b""


def _over_all(
    source: RepositoryReader, path: str, start: int, packet: bytes, ring: TrustedKeys
) -> Iterator[Fault]:
    """Header and payload are signed as one, as rpm did before 4.14: gpgv needs them in a file."""
    with tempfile.NamedTemporaryFile(prefix="kp-") as file:

        def write(blocks: Iterator[bytes]) -> int:
            file.seek(0)
            file.truncate()
            skip = start
            for block in blocks:
                file.write(block[skip:])
                skip = max(skip - len(block), 0)
            file.flush()
            return 1

        source.stream(path, write)
        yield from list(problems(CheckKind.RPM_SIGNATURE, ring, packet, Path(file.name), path))
