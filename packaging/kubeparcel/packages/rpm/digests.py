"""Compare the digests and sizes that an rpm declares of itself with its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from kubeparcel.packages.rpm import tags
from kubeparcel.packages.rpm.header import Headers

_SHA256 = 8


def check(headers: Headers, raw: memoryview, payload: memoryview) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of those that match, and a fault for each that does not.

    `raw` is the whole file, `payload` its payload, decompressed. Undeclared ones are in neither.
    """
    verified, faults = [], []
    for name, declared, actual in _declared(headers, raw, payload):
        if declared in (None, ""):
            continue
        if str(declared).lower() == str(actual()):
            verified.append(name)
        else:
            faults.append(f"{name} is {declared}, but the package has {actual()}")
    return tuple(verified), tuple(faults)


def _declared(
    headers: Headers, raw: memoryview, payload: memoryview
) -> Iterator[tuple[str, str | int | None, Callable[[], str | int]]]:
    signature, main = headers
    header, packed, signed = raw[main.start : main.end], raw[main.end :], raw[main.start :]
    algorithm = tags.DIGESTS.get(main.number(tags.PAYLOADDIGESTALGO) or _SHA256, "sha256")
    yield "SHA256HEADER", signature.text(tags.SIG_SHA256), lambda: _digest("sha256", header)
    yield "SHA1HEADER", signature.text(tags.SIG_SHA1), lambda: _digest("sha1", header)
    yield "SIGMD5", signature.binary(tags.SIG_MD5).hex(), lambda: _digest("md5", signed)
    size = signature.number(tags.SIG_LONGSIZE, tags.SIG_SIZE)
    yield "SIGSIZE", size, lambda: len(signed)
    size = signature.number(tags.SIG_LONGPAYLOADSIZE, tags.SIG_PAYLOADSIZE)
    yield "PAYLOADSIZE", size, lambda: len(payload)
    yield "PAYLOADDIGEST", main.text(tags.PAYLOADDIGEST), lambda: _digest(algorithm, packed)
    yield "PAYLOADDIGESTALT", main.text(tags.PAYLOADDIGESTALT), lambda: _digest(algorithm, payload)


def _digest(algorithm: str, data: memoryview) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
