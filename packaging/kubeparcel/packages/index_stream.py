"""Index files of repositories as streams: hashed, decompressed within limits, and split into entries."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from kubeparcel.packages import limits
from kubeparcel.packages.compression import COMPRESSIONS, ERRORS, compression_by_suffix, decompression_error
from kubeparcel.packages.errors import MalformedData

_BLOCK = 1 << 18
_BLANK_LINE = b"\n\n"


class _BlocksFile:
    """A file object of blocks, with the number of bytes read so far."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")
        self.position = 0

    def read(self, size: int) -> bytes:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = memoryview(block)
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        self.position += len(data)
        return data


class ReadingClock:
    """The processor time that an index takes."""

    def __init__(self, name: str) -> None:
        self._name, self._started = name, time.thread_time()

    def check(self) -> None:
        """Raise LimitExceeded after too much of it."""
        limits.INDEX_TIME.check(int(time.thread_time() - self._started), self._name)


def plain_blocks(name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the plain bytes of an index, decompressed by its suffix. Raises MalformedData, also above the limits."""
    file, clock = _BlocksFile(blocks), ReadingClock(name)
    size = 0
    for block in _decompressed(name, file):
        size += len(block)
        limits.INDEX.check(size, name)
        if size > max(limits.RATIO_FREE, file.position * limits.RATIO.maximum):
            limits.RATIO.check(max(size // max(file.position, 1), limits.RATIO.maximum + 1), name)
        clock.check()
        yield block


def _decompressed(name: str, file: _BlocksFile) -> Iterator[bytes]:
    compression = compression_by_suffix(name)
    if compression == "none":
        yield from iter(lambda: file.read(_BLOCK), b"")
        return
    buffer = memoryview(bytearray(_BLOCK))
    try:
        stream: Any = COMPRESSIONS[compression].open_stream(file)
        while count := stream.readinto(buffer):
            yield bytes(buffer[:count])
    except MalformedData:
        raise
    except ERRORS as error:
        raise decompression_error(name, error) from None


def stanzas(name: str, blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield the stanzas of an index of debs, which are separated by blank lines.

    Raises LimitExceeded for too many, or a too long one.
    """
    rest, count = b"", 0
    for block in blocks:
        *complete, rest = (rest + block).split(_BLANK_LINE)
        limits.CONTROL_FILE.check(len(rest), f"an entry in {name}")
        for stanza in complete:
            if stanza:
                count += 1
                yield _checked(name, stanza, count)
    if rest.strip():
        yield _checked(name, rest, count + 1)


def _checked(name: str, stanza: bytes, count: int) -> str:
    limits.CONTROL_FILE.check(len(stanza), f"an entry in {name}")
    limits.INDEX_ENTRIES.check(count, name)
    return stanza.decode("utf-8", "replace")
