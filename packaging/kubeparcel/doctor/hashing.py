"""The size and digests of bytes that come in pieces, beside those that were promised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FileDigest:
    """What bytes are: how many, and their digests by algorithm."""

    size: int
    digests: Mapping[str, str]


class Hasher:
    """Takes the measure of bytes as they come."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._states = {a: hashlib.new(a, usedforsecurity=False) for a in algorithms}
        self._size = 0

    def update(self, block: bytes) -> None:
        """So many more."""
        self._size += len(block)
        for state in self._states.values():
            state.update(block)

    @property
    def measure(self) -> FileDigest:
        """The measure of all so far."""
        return FileDigest(self._size, {a: state.hexdigest() for a, state in self._states.items()})


def measure(blocks: Iterable[bytes], algorithms: Iterable[str]) -> FileDigest:
    """The measure of all pieces."""
    meter = Hasher(algorithms)
    for block in blocks:
        meter.update(block)
    return meter.measure


def compare(size: int, digests: Mapping[str, str], found: FileDigest) -> Iterator[tuple[str, str]]:
    """What was promised and what was found instead, in words; the size says enough."""
    if found.size != size:
        yield f"{size:,} bytes", f"{found.size:,} bytes"
        return
    for algorithm, digest in digests.items():
        if found.digests[algorithm] != digest:
            yield f"{algorithm} {digest}", found.digests[algorithm]
            return
