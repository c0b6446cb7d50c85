"""Compare the digests and sizes that an rpm declares of itself with its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kubeparcel.packages.rpm import tags
from kubeparcel.packages.rpm.header import Headers

_SHA256 = 8


class PayloadHashes(NamedTuple):
    """The hashes of a payload that an rpm declares, as its bytes update them; others are None.

    `signed` is of the main header and the packed payload, `packed` and `plain` are of the payload.
    """

    signed: Any
    packed: Any
    plain: Any

    @classmethod
    def of(cls, headers: Headers, main: bytes) -> PayloadHashes:
        """Return the hashes that the headers declare; `main` are the bytes of the main header."""
        signature, header = headers
        algorithm = tags.DIGESTS.get(header.number(tags.PAYLOADDIGESTALGO) or _SHA256, "sha256")
        return cls(
            hashlib.md5(main, usedforsecurity=False) if signature.has(tags.SIG_MD5) else None,
            hashlib.new(algorithm, usedforsecurity=False) if header.has(tags.PAYLOADDIGEST) else None,
            hashlib.new(algorithm, usedforsecurity=False) if header.has(tags.PAYLOADDIGESTALT) else None,
        )


def check(
    headers: Headers, main: bytes, hashes: PayloadHashes, size: int, plain_size: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of those that match, and a fault for each that does not; undeclared ones are in neither.

    `main` are the bytes of the main header, `hashes` those of the whole payload, `size` is that of the
    file and `plain_size` that of the decompressed payload, both in bytes.
    """
    verified, faults = [], []
    for name, declared, actual in _declared(headers, main, hashes, size, plain_size):
        if declared in (None, ""):
            continue
        if str(declared).lower() == str(actual()):
            verified.append(name)
        else:
            faults.append(f"{name} is {declared}, but the package has {actual()}")
    return tuple(verified), tuple(faults)


def _declared(
    headers: Headers, main: bytes, hashes: PayloadHashes, size: int, plain_size: int
) -> Iterator[tuple[str, str | int | None, Callable[[], str | int]]]:
    signature, header = headers
    yield "SHA256HEADER", signature.text(tags.SIG_SHA256), lambda: _digest("sha256", main)
    yield "SHA1HEADER", signature.text(tags.SIG_SHA1), lambda: _digest("sha1", main)
    yield "SIGMD5", signature.binary(tags.SIG_MD5).hex(), lambda: str(hashes.signed.hexdigest())
    yield "SIGSIZE", signature.number(tags.SIG_LONGSIZE, tags.SIG_SIZE), lambda: size - header.start
    declared_size = signature.number(tags.SIG_LONGPAYLOADSIZE, tags.SIG_PAYLOADSIZE)
    yield "PAYLOADSIZE", declared_size, lambda: plain_size
    yield "PAYLOADDIGEST", header.text(tags.PAYLOADDIGEST), lambda: str(hashes.packed.hexdigest())
    yield "PAYLOADDIGESTALT", header.text(tags.PAYLOADDIGESTALT), lambda: str(hashes.plain.hexdigest())


def _digest(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
