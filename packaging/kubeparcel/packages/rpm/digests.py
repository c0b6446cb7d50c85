"""What an rpm declares of its own bytes as a whole, compared with those bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from kubeparcel.packages.rpm import tags
from kubeparcel.packages.rpm.header import Header


def check(
    signature: Header, main: Header, packed: memoryview, plain: memoryview
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the digests and sizes that hold, and a fault for each that does not.

    One that is not declared is in neither.
    """
    verified, faults = [], []
    for name, declared, found in _rows(signature, main, packed, plain):
        if declared in (None, ""):
            continue
        if str(declared).lower() == str(found()):
            verified.append(name)
        else:
            faults.append(f"{name} says {declared}, the package has {found()}")
    return tuple(verified), tuple(faults)


def _rows(
    signature: Header, main: Header, packed: memoryview, plain: memoryview
) -> Iterator[tuple[str, str | int | None, Callable[[], str | int]]]:
    algorithm = tags.DIGESTS.get(main.number(tags.PAYLOADDIGESTALGO) or 8, "sha256")
    yield "SHA256HEADER", signature.text(tags.SIG_SHA256), lambda: _digest("sha256", main.raw)
    yield "SHA1HEADER", signature.text(tags.SIG_SHA1), lambda: _digest("sha1", main.raw)
    yield "SIGMD5", signature.binary(tags.SIG_MD5).hex(), lambda: _digest("md5", main.raw, packed)
    size = signature.number(tags.SIG_LONGSIZE, tags.SIG_SIZE)
    yield "SIGSIZE", size, lambda: len(main.raw) + len(packed)
    size = signature.number(tags.SIG_LONGPAYLOADSIZE, tags.SIG_PAYLOADSIZE)
    yield "PAYLOADSIZE", size, lambda: len(plain)
    yield "PAYLOADDIGEST", main.text(tags.PAYLOADDIGEST), lambda: _digest(algorithm, packed)
    yield "PAYLOADDIGESTALT", main.text(tags.PAYLOADDIGESTALT), lambda: _digest(algorithm, plain)


def _digest(algorithm: str, *pieces: memoryview) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
